/* What the page does by itself: theme, plots in the theme's colours, sorting, filtering, metric switch, downloads. */
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Colours: figures name them "var(--ink)"; the browser says what that is in the current theme.
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  function painted(value, seen) {
    if (typeof value === "string") {
      if (!/^var\(--[a-z0-9-]+\)$/.test(value)) return value;
      if (!(value in seen)) {
        probe.style.color = value;
        seen[value] = getComputedStyle(probe).color;
      }
      return seen[value];
    }
    if (Array.isArray(value)) return value.map((item) => painted(item, seen));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, painted(item, seen)]));
    }
    return value;
  }

  const plots = all("script[data-figures]").map((data) => ({
    box: document.getElementById(data.dataset.figures),
    figures: JSON.parse(data.textContent),
    key: null,
  }));
  // Tick labels that would overlap are left out, but never the last one: how many fit depends on the width.
  const pen = document.createElement("canvas").getContext("2d");
  function thinned(ticks, axis) {
    pen.font = `${axis.tickfont.size}px ${axis.tickfont.family}`;
    const half = (text) => Math.max(...text.split("<br>").map((line) => pen.measureText(line).width)) / 2 + 4;
    const spans = ticks.tickvals.map((value, place) => {
      const [middle, reach] = [axis.d2p(value), half(ticks.ticktext[place])];
      return { place, from: middle - reach, to: middle + reach };
    });
    const kept = [];
    for (const span of spans) {
      const last = span === spans.at(-1);
      while (last && kept.length > 1 && span.from < kept.at(-1).to) kept.pop();
      if (!kept.length || span.from >= kept.at(-1).to) kept.push(span);
    }
    const of = (list) => kept.map(({ place }) => list[place]);
    return { tickvals: of(ticks.tickvals), ticktext: of(ticks.ticktext) };
  }

  let printing = false;
  function draw(plot) {
    plot.width = plot.box.clientWidth;
    if (plot.width < 100) return; // hidden or too narrow: drawn when it has a size again
    const figure = painted(plot.figures[plot.key ?? Object.keys(plot.figures)[0]], {});
    figure.layout.dragmode = window.matchMedia("(pointer: fine)").matches ? "zoom" : false;
    if (printing) figure.layout.width = plot.box.closest(".grid") ? 330 : 680;
    else figure.layout.autosize = true;
    const options = { displayModeBar: false };
    Plotly.react(plot.box, figure.data, figure.layout, options);
    const { xaxis } = figure.layout;
    if (xaxis.ticktext) {
      const xaxisOf = { ...xaxis, ...thinned(xaxis, plot.box._fullLayout.xaxis) };
      Plotly.react(plot.box, figure.data, { ...figure.layout, xaxis: xaxisOf }, options);
    }
    // with a view box, paper of any width can shrink the drawing instead of cutting it
    const { width, height } = plot.box._fullLayout;
    plot.box.style.setProperty("--ratio", width / height);
    if (printing) all("svg.main-svg", plot.box).forEach((svg) => svg.setAttribute("viewBox", `0 0 ${width} ${height}`));
    else all("svg.main-svg", plot.box).forEach((svg) => svg.removeAttribute("viewBox"));
  }
  function drawAll() {
    plots.forEach(draw);
    document.dispatchEvent(new Event("embgeo-draw")); // for the space map
  }

  for (const plot of plots) {
    new ResizeObserver(() => {
      if (!printing && plot.box.clientWidth !== plot.width) draw(plot);
    }).observe(plot.box);
  }

  // Theme: the system's, until the reader chooses.
  const themes = ["auto", "light", "dark"];
  const toggle = document.querySelector("[data-action=theme]");
  function setTheme(name) {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    toggle.textContent = `Theme: ${name}`;
  }
  function remember(name) {
    try {
      if (name) localStorage.setItem("embgeo-theme", name);
      return localStorage.getItem("embgeo-theme");
    } catch {
      return null; // storage is off for files in some browsers
    }
  }
  const remembered = remember();
  if (themes.includes(remembered)) setTheme(remembered);
  toggle.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme ?? "auto") + 1) % themes.length];
    setTheme(next);
    remember(next);
    drawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.querySelector("[data-action=print]").addEventListener("click", () => window.print());

  // Printing: light theme, everything unfolded; restored afterwards.
  let before = null;
  window.addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme ?? "auto", closed: all("details:not([open], .screen)") };
    before.closed.forEach((item) => (item.open = true));
    printing = true;
    setTheme("light");
    drawAll();
  });
  window.addEventListener("afterprint", () => {
    if (!before) return;
    before.closed.forEach((item) => (item.open = false));
    printing = false;
    setTheme(before.theme);
    drawAll();
  });

  for (const control of all("[data-switch]")) {
    const plot = plots.find((item) => item.box.id === control.dataset.switch);
    control.addEventListener("change", () => {
      plot.key = control.value;
      draw(plot);
    });
  }

  // Sorting: numbers by their raw value, missing ones last either way.
  function sort(table, column, ascending) {
    const body = table.tBodies[0];
    const value = (row) => row.cells[column].dataset.value;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const difference = isNaN(x) || isNaN(y) ? x.localeCompare(y, "en", { numeric: true }) : x - y;
      return ascending ? difference : -difference;
    };
    body.append(...[...body.rows].sort(order));
  }
  for (const table of all("table.sortable")) {
    for (const button of all("button[data-sort]", table)) {
      button.addEventListener("click", () => {
        const head = button.parentElement;
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        all("[aria-sort]", table).forEach((cell) => cell.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table, Number(button.dataset.sort), ascending);
      });
    }
  }

  // A long table is scrolled to the recommended row.
  for (const box of all(".tall")) {
    const best = box.querySelector("tr.best");
    if (best) box.scrollTop = best.offsetTop - box.clientHeight / 2;
  }

  // Filtering: words of the spec, and the marks of a row.
  function filter(table) {
    const words = document.querySelector(`[data-filter="${table.id}"]`).value.toLowerCase().split(/\s+/).filter(Boolean);
    const boxes = all(`input[data-for="${table.id}"]:checked`);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.cells[0].textContent.toLowerCase();
      const marks = row.dataset.marks.split("|");
      const kept =
        words.every((word) => text.includes(word)) &&
        boxes.every(({ dataset }) =>
          dataset.mark ? marks.includes(dataset.mark) : !marks.includes(dataset.unmark));
      row.hidden = !kept;
      shown += kept;
    }
    const total = table.tBodies[0].rows.length;
    document.querySelector(`[data-count="${table.id}"]`).textContent = shown === total ? "" : `${shown} of ${total} shown`;
  }
  for (const table of all("table.sortable")) {
    for (const input of all(`[data-filter="${table.id}"], [data-for="${table.id}"]`)) {
      input.addEventListener("input", () => filter(table));
    }
  }

  function save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }
  document.addEventListener("embgeo-save", ({ detail }) => save(detail.name, detail.text, "image/svg+xml")); // the space map
  for (const button of all("[data-download]")) {
    button.addEventListener("click", () => {
      const text = document.getElementById(button.dataset.download).textContent;
      const csv = button.dataset.name.endsWith(".csv");
      save(button.dataset.name, csv ? JSON.parse(text) : text, csv ? "text/csv" : "application/json");
    });
  }

  // A figure is saved as shown, in print colours.
  for (const button of all("[data-svg]")) {
    button.addEventListener("click", async () => {
      const plot = plots.find((item) => item.box.id === button.dataset.svg);
      const keys = Object.keys(plot.figures);
      const key = plot.key ?? keys[0];
      const theme = root.dataset.theme ?? "auto";
      setTheme("light");
      const figure = painted(plot.figures[key], {});
      setTheme(theme);
      const { width, height } = plot.box._fullLayout;
      const layout = { ...figure.layout, paper_bgcolor: "#ffffff", width, height };
      const url = await Plotly.toImage({ data: figure.data, layout }, { format: "svg", width, height });
      const name = keys.length > 1 ? `${button.dataset.name}-${key.replace(/[^a-z0-9]+/g, "-")}` : button.dataset.name;
      save(`${name}.svg`, decodeURIComponent(url.slice(url.indexOf(",") + 1)), "image/svg+xml");
    });
  }

  drawAll();
})();
