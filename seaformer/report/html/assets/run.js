// What opens behind a figure: the record of its run, in a dialog that the address names.

const dialog = at("run");
let book = null;
let opener = null;

const recordOf = (id) => {
  book ??= data("runs");
  if (!Object.hasOwn(book.runs, id)) return null;
  const [title, state, good, failure, flags, command, raw, groups] = whole(book.runs[id], book.shared);
  const run = { title, state, good, failure, flags, command, raw, groups, methods: [], conditions: null };
  if (Object.hasOwn(book.details, id)) {
    const [conditions, methods] = whole(book.details[id], book.shared);
    run.conditions = conditions;
    run.methods = methods.map(([name, figures, processes, counts]) => {
      return { name, figures, processes, counts, samples: book.samples[id]?.[name] };
    });
  }
  return run;
};

const pairs = (facts) =>
  make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

const plainTable = (caption, header, lines) => {
  const heads = header.map((name) => make("th", { scope: "col" }, name));
  const rows = lines.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))),
  );
  const made = make("table", {}, make("caption", {}, caption));
  made.append(make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  return make("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
};

const histogram = (samples) => {
  // Not Math.min(...samples): a run may have more samples than a call may have arguments.
  const low = samples.reduce((least, one) => Math.min(least, one));
  const high = samples.reduce((most, one) => Math.max(most, one));
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
  const name = `Histogram of ${samples.length} samples from ${ms(low)} to ${ms(high)} ms`;
  svg.setAttribute("aria-label", name);
  bins.forEach((count, i) => {
    const bar = document.createElementNS(space, "rect");
    const height = (60 * count) / top;
    for (const [key, value] of Object.entries({ x: i * 10, y: 60 - height, width: 9, height })) {
      bar.setAttribute(key, value);
    }
    svg.append(bar);
  });
  return [svg, make("p", { className: "note" }, `${name}.`)];
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
  const text = processes.map((part, i) => `process ${i + 1} (ns): ${part.join(" ")}`).join("\n\n");
  const title = `Raw samples (${every.length}, nanoseconds)`;
  return [...histogram(every), make("details", {}, make("summary", {}, title), make("pre", { tabindex: "0" }, text))];
};

const methodOf = (run, method) => [
  make("h3", {}, method.name === "forward" ? "The whole network" : `Part: ${method.name}`),
  pairs(method.figures),
  ...rawSamples(run, method),
  ...(method.processes.length
    ? [plainTable(
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

// Of an older run, the page has no more than its line.
const inShort = (id, run) => {
  const line = tables.map((rows) => rows.pairs(id)).find(Boolean);
  const file = make("a", { href: run.raw }, run.raw);
  const note = make("p", { className: "note" }, "Its conditions, processes and samples are not in this page, which would grow too large. They are in ", file, ".");
  return line ? [make("h3", {}, "Figures"), pairs(line), note] : [note];
};

const show = (id) => {
  const run = recordOf(id);
  at("run-title").textContent = run ? run.title : "This run is not in the page";
  const body = at("run-body");
  body.replaceChildren();
  if (run) {
    const columns = run.groups.map(([name, ...facts]) =>
      make("div", {}, make("h3", {}, name), pairs(facts.flat())),
    );
    body.append(
      ...validity(run),
      make("h3", {}, "The command that made it"),
      ...commandOf(run),
      ...(run.conditions ? run.methods.flatMap((method) => methodOf(run, method)) : inShort(id, run)),
      make("div", { className: "columns" }, ...columns),
      ...(run.conditions ? [plainTable("Conditions", ["", "before", "after"], run.conditions)] : []),
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
  if (dialog.open) return; // opened again before its closing was reported
  if (location.hash.startsWith("#run-")) history.pushState(null, "", location.pathname + location.search);
  opener?.focus({ preventScroll: true });
  opener = null;
});
at("close").addEventListener("click", () => dialog.close());
addEventListener("popstate", fromAddress);
addEventListener("hashchange", fromAddress);
fromAddress();
