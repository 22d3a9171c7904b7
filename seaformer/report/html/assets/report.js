// Sorting, filtering, opening a run, and the theme. Everything shown is set as text, never as HTML.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  const make = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // Sorting

  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    if (numeric) return null;
    const said = cell.textContent.trim();
    return said === "-" || said === "" ? null : said;
  };

  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });

  const sort = (head) => {
    const table = head.closest("table");
    const column = [...head.parentNode.cells].indexOf(head);
    const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    const numeric = head.classList.contains("number");
    const rows = [...body.rows].map((row, i) => ({ row, i, value: valueOf(row, column, numeric) }));
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) {
        return (a.value === null) - (b.value === null) || a.i - b.i;
      }
      return sign * compare(a.value, b.value) || a.i - b.i;
    });
    body.append(...rows.map((entry) => entry.row));
  };

  for (const button of all(".sorts thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  // Filtering

  const filters = at("filters");

  const filter = () => {
    const wanted = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = all("select[data-by]", filters).filter((select) => select.value !== "");
    let shown = 0;
    const rows = all(".sorts tbody tr");
    for (const row of rows) {
      const said = row.textContent.toLowerCase();
      const fits =
        wanted.every((word) => said.includes(word)) &&
        chosen.every((select) => row.dataset[select.dataset.by] === select.value);
      row.hidden = !fits;
      shown += fits;
    }
    at("count").textContent = `${shown} of ${rows.length} rows`;
  };

  if (filters) {
    filters.hidden = false;
    filters.addEventListener("input", filter);
    filters.addEventListener("change", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(filter));
    filter();
  }

  // A run

  const dialog = at("run");
  let runs = null;
  let opener = null;
  const records = () => (runs ??= JSON.parse(at("runs").textContent));

  const pairs = (told) =>
    make("dl", {}, ...told.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

  const table = (caption, header, lines) => {
    const heads = header.map((name) => make("th", { scope: "col" }, name));
    const rows = lines.map(([first, ...rest]) =>
      make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))),
    );
    const made = make("table", {}, make("caption", {}, caption));
    made.append(make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    return make("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
  };

  const histogram = (samples) => {
    const low = Math.min(...samples);
    const high = Math.max(...samples);
    const bins = new Array(60).fill(0);
    for (const sample of samples) {
      bins[Math.min(59, Math.floor(((sample - low) / (high - low || 1)) * 60))] += 1;
    }
    const top = Math.max(...bins);
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 600 60");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "histogram");
    svg.setAttribute("role", "img");
    const ms = (ns) => (ns / 1e6).toPrecision(4);
    const said = `Histogram of ${samples.length} samples from ${ms(low)} to ${ms(high)} ms`;
    svg.setAttribute("aria-label", said);
    bins.forEach((count, i) => {
      const bar = document.createElementNS(space, "rect");
      const height = (60 * count) / top;
      for (const [key, value] of Object.entries({ x: i * 10, y: 60 - height, width: 9, height })) {
        bar.setAttribute(key, value);
      }
      svg.append(bar);
    });
    return [svg, make("p", { className: "note" }, `${said}.`)];
  };

  const rawSamples = (run, method) => {
    if (method.counts.length) {
      const title = `Instructions of each inference (${method.counts.length})`;
      return [make("details", {}, make("summary", {}, title), make("pre", {}, method.counts.join("\n")))];
    }
    const file = make("a", { href: run.raw }, run.raw);
    if (!method.samples) {
      return [make("p", { className: "note" }, "Its samples are not in this page, which would grow too large. They are in ", file, ".")];
    }
    const processes = method.samples.map(([least, ...rest]) => rest.map((more) => least + more));
    const every = processes.flat();
    if (!every.length) return [];
    const told = processes.map((part, i) => `process ${i + 1} (ns): ${part.join(" ")}`).join("\n\n");
    const title = `Raw samples (${every.length}, nanoseconds)`;
    return [...histogram(every), make("details", {}, make("summary", {}, title), make("pre", { tabindex: "0" }, told))];
  };

  const methodOf = (run, method) => [
    make("h3", {}, method.name === "forward" ? "The whole network" : `Part: ${method.name}`),
    pairs(method.figures),
    ...rawSamples(run, method),
    ...(method.processes.length
      ? [table(
          "Fresh processes",
          ["process", "samples", "load ms", "first ms", "warm-up runs", "stopped by", "on", "peak MB", "MHz"],
          method.processes,
        )]
      : []),
  ];

  const validity = (run) => {
    const state = make("p", {}, make("span", { className: `state ${run.good ? "yes" : "no"}` }, `Valid: ${run.state}`));
    const failure = run.failure ? [make("p", {}, `Failed: ${run.failure}`)] : [];
    const flags = run.flags.map(([kind, name, detail]) => make("li", {}, make("b", {}, `${kind}: ${name}`), ` ${detail}`));
    return [state, ...failure, ...(flags.length ? [make("ul", { className: "flags" }, ...flags)] : [])];
  };

  const commandOf = (run) => {
    if (!run.command) return [make("p", { className: "note" }, "The command that made it was not recorded.")];
    const copy = make("button", { type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(run.command);
        copy.textContent = "Copied";
      } catch {
        copy.textContent = "Select the text to copy it";
      }
    });
    return [make("div", { className: "command" }, make("code", {}, run.command), copy)];
  };

  const show = (id) => {
    const run = Object.hasOwn(records(), id) ? records()[id] : null;
    at("run-title").textContent = run ? run.title : "This run is not in the page";
    const body = at("run-body");
    body.replaceChildren();
    if (run) {
      const columns = run.facts.map(([name, told]) => make("div", {}, make("h3", {}, name), pairs(told)));
      body.append(
        ...validity(run),
        make("h3", {}, "The command that made it"),
        ...commandOf(run),
        ...run.methods.flatMap((method) => methodOf(run, method)),
        make("div", { className: "columns" }, ...columns),
        table("Conditions", ["", "before", "after"], run.conditions),
        make("p", { className: "note" }, "Raw file: ", make("a", { href: run.raw }, run.raw)),
      );
    } else {
      body.append(make("p", {}, "The page holds the newest runs; this one is in the results folder only."));
    }
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };

  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };

  const fromAddress = () => {
    const [, id] = location.hash.match(/^#run-(.+)$/) ?? [];
    if (id) show(decoded(id));
    else if (dialog.open) dialog.close();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-run]");
    if (!link) return;
    event.preventDefault();
    opener = link;
    history.pushState(null, "", `#run-${encodeURIComponent(link.dataset.run)}`);
    show(link.dataset.run);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // opened again before its closing was told
    if (location.hash.startsWith("#run-")) history.pushState(null, "", location.pathname + location.search);
    opener?.focus({ preventScroll: true });
    opener = null;
  });
  at("close").addEventListener("click", () => dialog.close());
  addEventListener("popstate", fromAddress);
  addEventListener("hashchange", fromAddress);
  fromAddress();

  // What is wider than the window says so

  const sides = () => {
    for (const box of all(".scroll, .drawing")) {
      const told = box.querySelector("table") ?? box;
      told.classList.toggle("sideways", box.scrollWidth > box.clientWidth + 1);
    }
  };
  addEventListener("resize", sides);
  sides();

  // Light and dark

  const themes = ["system", "light", "dark"];
  const theme = at("theme");
  const remember = {
    get: () => { try { return localStorage.getItem("seaformer-theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("seaformer-theme", name); } catch { /* not kept */ } },
  };
  const dress = (name) => {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
    theme.dataset.now = name;
  };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme.dataset.now) + 1) % themes.length];
    dress(next);
    remember.set(next);
  });
  dress(themes.includes(remember.get()) ? remember.get() : "system");
})();
