// Tables of runs: sorted and filtered as data, drawn a block at a time as it comes into view.

const [RUN, SOURCE, DEVICE, NEWEST, STATE, NARROW, CELLS] = [0, 1, 2, 3, 4, 5, 6];
const BLOCK = 40; // rows
const TALL = 100; // a table of more rows scrolls in a frame of its own
const PRINTED = 12 * BLOCK;
const NEAR = "800px"; // what is this close to the view is drawn
const NOTHING = "-";
const collator = new Intl.Collator("en", { numeric: true });

class Rows {
  constructor(table, lines) {
    this.table = table;
    this.region = table.closest(".scroll");
    this.lines = this.sorted = this.shown = lines;
    this.heads = [...table.tHead.rows[0].cells];
    this.columns = this.heads.map((head) => head.textContent.trim());
    const templates = all("template", this.region);
    this.blank = Object.fromEntries(
      templates.map((one) => [one.dataset.source, one.content.firstElementChild]),
    );
    const cells = [...templates[0].content.firstElementChild.cells];
    this.opens = cells.findIndex((cell) => cell.querySelector("a"));
    this.state = cells.findIndex((cell) => cell.classList.contains("state"));
    this.rowHeight = 34; // until one is drawn
    this.reserve();
    for (const head of this.heads) {
      head.firstElementChild.addEventListener("click", () => this.sort(head));
    }
  }

  // One row, filled: the same as the page has for readers without a script.
  row(line, index) {
    const row = this.blank[line[SOURCE]].cloneNode(true);
    const [head, ...cells] = row.cells;
    const valid = line[STATE] === "valid";
    const [narrow, verdict] = head.querySelectorAll(".narrow");
    head.querySelector(".name").textContent = line[CELLS];
    narrow.textContent = line[NARROW];
    verdict.textContent = valid ? "" : line[STATE];
    cells.forEach((cell, i) => {
      if (i + 1 !== this.opens) cell.textContent = line[CELLS + i + 1];
    });
    this.link(row.cells[this.opens].firstElementChild, line);
    const reserved = row.cells[this.state].textContent !== "yes";
    row.cells[this.state].classList.add(valid ? (reserved ? "reserved" : "yes") : "no");
    row.classList.toggle("doubtful", !valid);
    row.setAttribute("aria-rowindex", index + 2);
    return row;
  }

  link(link, line) {
    const figure = line[CELLS + this.opens];
    link.textContent = figure === NOTHING ? "why?" : figure;
    link.href = `#run-${line[RUN]}`;
    link.dataset.run = line[RUN];
    const name = figure === NOTHING ? "no figure" : figure;
    link.setAttribute("aria-label", `${name}: open the run of ${line[CELLS]} ${line[NARROW]}`);
  }

  // Columns are as wide as their longest text, whichever rows are drawn: a row that has no height.
  reserve() {
    const longest = this.columns.map((_, i) =>
      this.lines.reduce((most, line) => (line[CELLS + i].length > most.length ? line[CELLS + i] : most), ""),
    );
    const row = this.row([...this.lines[0].slice(0, CELLS), ...longest], 0);
    row.cells[this.opens].textContent = longest[this.opens];
    row.removeAttribute("aria-rowindex");
    this.table.append(make("tfoot", { className: "widths", "aria-hidden": "true" }, row));
  }

  // The blocks of the rows that are shown; those near the view are filled.
  draw() {
    this.observer?.disconnect();
    for (const body of [...this.table.tBodies]) body.remove();
    const tall = this.shown.length > TALL;
    this.region.classList.toggle("tall", tall);
    this.region.scrollTop = 0;
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    this.blocks = [];
    for (let from = 0; from < this.shown.length; from += BLOCK) {
      const lines = this.shown.slice(from, from + BLOCK);
      const body = make("tbody", {}, this.rest(lines.length * this.rowHeight));
      this.blocks.push({ body, from, lines, drawn: false });
    }
    this.table.append(...this.blocks.map((block) => block.body));
    for (const block of this.blocks.slice(0, 2)) this.fill(block);
    if (this.blocks.length) this.rowHeight = this.blocks[0].body.offsetHeight / this.blocks[0].lines.length;
    const seen = new Map(this.blocks.map((block) => [block.body, block]));
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) this.fill(seen.get(target));
          else this.empty(seen.get(target));
        }
      },
      { root: tall ? this.region : null, rootMargin: `${NEAR} 0px` },
    );
    for (const block of this.blocks) this.observer.observe(block.body);
  }

  fill(block) {
    if (block.drawn) return;
    block.body.replaceChildren(...block.lines.map((line, i) => this.row(line, block.from + i)));
    block.drawn = true;
  }

  // A block that has the focus stays.
  empty(block) {
    if (!block.drawn || block.body.contains(document.activeElement)) return;
    block.body.replaceChildren(this.rest(block.body.offsetHeight));
    block.drawn = false;
  }

  rest(height) {
    const cell = make("td", { colSpan: this.heads.length });
    cell.style.height = `${height}px`;
    return make("tr", { className: "rest", "aria-hidden": "true" }, cell);
  }

  sort(head) {
    const column = CELLS + this.heads.indexOf(head);
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    for (const other of this.heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const numeric = head.classList.contains("number");
    const value = (line) => {
      if (column === CELLS) return `${line[CELLS]} ${line[NARROW]}`;
      const text = line[column];
      if (text === NOTHING || text === "") return null;
      return numeric ? parseFloat(text) : text;
    };
    const compare = numeric ? (a, b) => a - b : collator.compare;
    const keyed = this.lines.map((line, i) => ({ line, i, value: value(line) }));
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) {
        return (a.value === null) - (b.value === null) || a.i - b.i;
      }
      return (ascending ? 1 : -1) * compare(a.value, b.value) || a.i - b.i;
    });
    this.sorted = keyed.map((one) => one.line);
    filter();
  }

  filter(words, choices) {
    const precision = CELLS + this.columns.indexOf("precision");
    const of = {
      source: (line) => line[SOURCE],
      device: (line) => line[DEVICE],
      precision: (line) => line[precision],
      state: (line) => line[STATE],
      newest: (line) => (line[NEWEST] ? "yes" : "no"),
    };
    this.shown = this.sorted.filter(
      (line) =>
        choices.every(({ by, value }) => of[by](line) === value) &&
        (words.length === 0 || this.has(line, words)),
    );
    this.draw();
  }

  has(line, words) {
    line.text ??= [line[SOURCE], ...line.slice(CELLS)].join(" ").toLowerCase();
    return words.every((word) => line.text.includes(word));
  }

  // Paper gets the first rows and where the others are.
  print() {
    const left = this.shown.length > PRINTED;
    for (const block of this.blocks) {
      if (block.from < PRINTED) this.fill(block);
      block.body.hidden = left && block.from >= PRINTED;
    }
    const shown = this.blocks.reduce((sum, { body, lines }) => sum + (body.hidden ? 0 : lines.length), 0);
    const all = this.shown.length.toLocaleString("en");
    const note = left ? ` Printed are the first ${shown} of ${all} rows; all are in ${this.table.dataset.csv}.` : "";
    this.table.caption.querySelector(".printed").textContent = note;
  }

  // Name and text of every cell of a run's line.
  pairs(id) {
    const line = this.lines.find((one) => one[RUN] === id);
    return line && this.columns.map((name, i) => [name, line[CELLS + i]]);
  }
}

const filters = at("filters");
const tables = [];

const filter = () => {
  const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = all("select[data-by]", filters).filter((select) => select.value !== "");
  const choices = chosen.map((select) => ({ by: select.dataset.by, value: select.value }));
  for (const rows of tables) rows.filter(words, choices);
  const count = (of) => tables.reduce((sum, rows) => sum + rows[of].length, 0);
  at("count").textContent = `${count("shown")} of ${count("lines")} rows`;
  sides();
};

if (filters) {
  const { shared, tables: lines } = data("lines");
  const text = (cell) => (typeof cell === "number" ? shared[cell] : cell);
  for (const table of all("table[data-rows]")) {
    tables.push(new Rows(table, lines[table.dataset.rows].map((line) => line.map(text))));
  }
  for (const hidden of [filters, ...all(".drawn")]) hidden.hidden = false;
  at("search").addEventListener("input", filter);
  for (const select of all("select", filters)) select.addEventListener("change", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(filter));
  addEventListener("beforeprint", () => tables.forEach((rows) => rows.print()));
  addEventListener("afterprint", () => tables.forEach((rows) => rows.draw()));
  filter();
}
sides();
