/* The space map: up to 20,000 documents on one canvas, which plotly's basic bundle cannot draw. */
(() => {
  "use strict";
  const CELLS = 128; // a side of the grid that finds the document under the pointer
  const SHADES = 32;
  const PALETTE = 8;
  const LEGEND_MOST = 12;
  const PICK = 12; // pixels

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const cell = (value) => (value + 32768) >> 9;
  const wordOf = ([red, green, blue]) => new Uint32Array(Uint8Array.of(red, green, blue, 255).buffer)[0];
  const shown = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });

  // Documents sorted by grid cell: those of cell c are order[start[c]] … order[start[c + 1] - 1].
  function gridOf(points) {
    const start = new Uint32Array(CELLS * CELLS + 1);
    const at = (i) => cell(points[2 * i + 1]) * CELLS + cell(points[2 * i]);
    const n = points.length / 2;
    for (let i = 0; i < n; i++) start[at(i) + 1]++;
    for (let c = 0; c < CELLS * CELLS; c++) start[c + 1] += start[c];
    const order = new Uint32Array(n);
    const next = start.slice();
    for (let i = 0; i < n; i++) order[next[at(i)]++] = i;
    return { start, order };
  }

  // CSS resolves a colour in the current theme.
  function shadesOf(colour, box) {
    const probe = box.appendChild(document.createElement("span"));
    const resolved = (text) => {
      probe.style.color = text;
      return getComputedStyle(probe).color;
    };
    const list = [resolved("var(--plot-faint)")];
    if (colour?.kind === "category") {
      for (let i = 0; i < colour.count; i++) {
        const wheel = `oklch(${[0.55, 0.68, 0.45][i % 3]} .13 ${(i * 137.5) % 360})`;
        list.push(resolved(colour.count <= PALETTE ? `var(--map-${i + 1})` : wheel));
      }
    } else {
      for (let i = 0; i < SHADES; i++) {
        const share = (200 * i) / (SHADES - 1);
        const [from, to, part] = share <= 100 ? ["low", "middle", share] : ["middle", "high", share - 100];
        list.push(resolved(`color-mix(in oklab, var(--map-${to}) ${part}%, var(--map-${from}))`));
      }
    }
    list.push(resolved("var(--surface)"), resolved("var(--ink)"));
    probe.remove();
    // painted once and read back, because colours may come as oklab(…)
    const strip = document.createElement("canvas");
    [strip.width, strip.height] = [list.length, 1];
    const context = strip.getContext("2d", { willReadFrequently: true });
    list.forEach((shade, place) => {
      context.fillStyle = shade;
      context.fillRect(place, 0, 1, 1);
    });
    const { data } = context.getImageData(0, 0, list.length, 1);
    const read = list.map((shade, place) => ({ css: shade, rgb: data.subarray(4 * place, 4 * place + 3) }));
    const ink = read.pop();
    const paper = read.pop();
    return { points: read, paper, ink };
  }

  // A disc with a soft edge: how much of each pixel around its middle it covers.
  function discOf(radius) {
    const disc = [];
    const edge = Math.ceil(radius);
    for (let y = -edge; y <= edge; y++) {
      for (let x = -edge; x <= edge; x++) {
        const cover = Math.min(1, radius + 0.5 - Math.hypot(x, y));
        if (cover > 0.05) disc.push([x, y, cover]);
      }
    }
    return disc;
  }

  function start(box) {
    const data = JSON.parse(document.getElementById(box.dataset.map).textContent);
    const find = (name) => box.querySelector(`[data-map-${name}]`);
    const [canvas, tip, legend, status, note] = ["canvas", "tip", "legend", "status", "note"].map(find);
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    const layouts = Object.fromEntries(
      Object.entries(data.layouts).map(([name, { points, note }]) => {
        const list = new Int16Array(bytes(points).buffer);
        return [name, { points: list, grid: gridOf(list), note }];
      }),
    );
    const colours = Object.fromEntries(
      Object.entries(data.colours).map(([name, entry]) => [
        name,
        { ...entry, levels: bytes(entry.levels), values: entry.values && new Uint16Array(bytes(entry.values).buffer) },
      ]),
    );
    let layout = layouts[Object.keys(layouts)[0]];
    let colour = colours[Object.keys(colours)[0]];
    let shades = shadesOf(colour, box);
    let width = 0;
    let height = 0;
    let fit = 1;
    let middle = [0, 0];
    let view = { x: 0, y: 0, scale: 1 };
    let picked = -1;
    let kept = null; // which documents are not dimmed; null: all
    let only = 0; // the one cluster to show
    const total = layout.points.length / 2;

    function measure() {
      width = canvas.clientWidth;
      height = canvas.clientHeight;
      let [left, right, bottom, top] = [32767, -32768, 32767, -32768];
      for (let i = 0; i < total; i++) {
        const [x, y] = [layout.points[2 * i], layout.points[2 * i + 1]];
        left = Math.min(left, x);
        right = Math.max(right, x);
        bottom = Math.min(bottom, y);
        top = Math.max(top, y);
      }
      middle = [(left + right) / 2, (bottom + top) / 2];
      const room = (length) => Math.max(length - 32, 1);
      fit = Math.min(room(width) / Math.max(right - left, 1), room(height) / Math.max(top - bottom, 1));
    }
    function reset() {
      measure();
      view = { x: middle[0], y: middle[1], scale: fit };
      redraw();
    }

    const category = () => colour?.kind === "category";
    const levelOf = (i) => (colour ? colour.levels[i] : 255);
    const shadeOf = (list, level) => list.points[level === 0 || category() ? level : 1 + ((level - 1) >> 3)].rgb;

    function paint() {
      if (!width || !height) return; // hidden: drawn when it has a size again
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
      const { points } = layout;
      const closer = Math.sqrt(Math.max(1, view.scale / fit));
      const whole = Math.max(1.5, Math.min(4, 160 / Math.sqrt(total)) * Math.min(1, width / 800));
      const radius = Math.min(6, whole * Math.sqrt(closer)) * ratio;
      // pixels are set by hand: 20,000 calls of a drawing function would take ten times as long
      const image = context.createImageData(canvas.width, canvas.height);
      const pixels = image.data;
      const [across, down] = [canvas.width, canvas.height];
      new Uint32Array(pixels.buffer).fill(wordOf(shades.paper.rgb));
      const disc = discOf(radius);
      const steps = Int32Array.from(disc, ([dx, dy]) => 4 * (dy * across + dx));
      const edge = Math.ceil(radius);
      const scale = view.scale * ratio;
      const [left, top] = [across / 2 - view.x * scale, down / 2 + view.y * scale];
      const pass = (alpha, wanted) => {
        const covers = Float32Array.from(disc, ([, , cover]) => alpha * cover);
        for (let i = 0; i < total; i++) {
          const level = levelOf(i);
          if (!wanted(i, level)) continue;
          const x = Math.round(points[2 * i] * scale + left);
          const y = Math.round(top - points[2 * i + 1] * scale);
          if (x < edge || y < edge || x >= across - edge || y >= down - edge) continue;
          const [red, green, blue] = shadeOf(shades, level);
          const middle = 4 * (y * across + x);
          for (let j = 0; j < steps.length; j++) {
            const at = middle + steps[j];
            pixels[at] += (red - pixels[at]) * covers[j];
            pixels[at + 1] += (green - pixels[at + 1]) * covers[j];
            pixels[at + 2] += (blue - pixels[at + 2]) * covers[j];
          }
        }
      };
      const bright = (i, level) => (!kept || kept[i]) && (!only || level === only);
      if (kept || only) pass(0.12, (i, level) => !bright(i, level));
      else pass(1, (i, level) => level === 0);
      pass(0.85, kept || only ? bright : (i, level) => level > 0);
      context.putImageData(image, 0, 0);
      if (picked >= 0) {
        const [x, y] = place(picked);
        context.beginPath();
        context.arc(x * ratio, y * ratio, radius + 3 * ratio, 0, 2 * Math.PI);
        context.lineWidth = 2 * ratio;
        context.strokeStyle = shades.ink.css;
        context.stroke();
      }
    }
    let waiting = false;
    function redraw() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        paint();
      });
    }
    const place = (i) => [
      (layout.points[2 * i] - view.x) * view.scale + width / 2,
      (view.y - layout.points[2 * i + 1]) * view.scale + height / 2,
    ];

    function nearest(px, py, reach) {
      const [x, y] = [(px - width / 2) / view.scale + view.x, view.y - (py - height / 2) / view.scale];
      const far = reach / view.scale;
      const clamp = (value) => Math.max(-32768, Math.min(32767, value));
      const { start: first, order } = layout.grid;
      let [best, distance] = [-1, far * far];
      for (let row = cell(clamp(y - far)); row <= cell(clamp(y + far)); row++) {
        for (let column = cell(clamp(x - far)); column <= cell(clamp(x + far)); column++) {
          const at = row * CELLS + column;
          for (let j = first[at]; j < first[at + 1]; j++) {
            const i = order[j];
            const square = (layout.points[2 * i] - x) ** 2 + (layout.points[2 * i + 1] - y) ** 2;
            if (square < distance) [best, distance] = [i, square];
          }
        }
      }
      return best;
    }

    function words(i) {
      const level = colour?.levels[i];
      let value = "";
      if (colour?.kind === "category") value = level ? `cluster ${level}` : "no cluster";
      else if (colour) value = level ? `${colour.label}: ${shown(colour.low + colour.values[i] * colour.step)}` : "not measured";
      return [data.ids[i], data.texts[i] ?? "", value];
    }
    function pick(i) {
      if (i === picked) return;
      picked = i;
      tip.hidden = i < 0;
      if (i >= 0) {
        const [id, text, value] = words(i);
        const lines = [
          ["strong", id],
          ["span", text],
          ["em", value],
        ];
        tip.replaceChildren(
          ...lines.filter(([, line]) => line).map(([tag, line]) => {
            const part = document.createElement(tag);
            part.textContent = line;
            return part;
          }),
        );
        const [x, y] = place(i);
        const wide = tip.offsetWidth;
        const beside = x + 14 + wide <= width ? x + 14 : x - 14 - wide;
        tip.style.left = `${Math.max(0, Math.min(width - wide, beside))}px`;
        tip.style.top = y > height / 2 ? "auto" : `${Math.max(0, y + 10)}px`;
        tip.style.bottom = y > height / 2 ? `${Math.max(0, height - y + 10)}px` : "auto";
      }
      redraw();
    }

    function zoom(factor, px = width / 2, py = height / 2) {
      const scale = Math.min(fit * 500, Math.max(fit * 0.7, view.scale * factor));
      const shift = 1 / view.scale - 1 / scale;
      view = { x: view.x + (px - width / 2) * shift, y: view.y - (py - height / 2) * shift, scale };
      pick(-1);
      redraw();
    }
    function move(dx, dy) {
      view.x -= dx / view.scale;
      view.y += dy / view.scale;
      pick(-1);
      redraw();
    }

    // The map as shown, in print colours.
    function save(name) {
      const { dataset } = document.documentElement;
      const { theme } = dataset;
      dataset.theme = "light";
      const paper = shadesOf(colour, box);
      if (theme) dataset.theme = theme;
      else delete dataset.theme;
      const dots = Array.from({ length: total }, (_, i) => {
        const [x, y] = place(i);
        if (x < 0 || y < 0 || x > width || y > height) return "";
        const fill = `rgb(${shadeOf(paper, levelOf(i)).join()})`;
        return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="2" fill="${fill}"/>`;
      });
      const frame = `width="${width}" height="${height}"`;
      const text = `<svg xmlns="http://www.w3.org/2000/svg" ${frame}><rect ${frame} fill="#fff"/>${dots.join("")}</svg>`;
      const names = Object.keys(layouts);
      const which = names.length > 1 ? `-${names.find((key) => layouts[key] === layout)}` : "";
      document.dispatchEvent(new CustomEvent("embgeo-save", { detail: { name: `${name}${which}.svg`, text } }));
    }

    // Pointer: drag moves, hover or tap names a document, the wheel zooms once the map was clicked (or with Ctrl).
    let dragged = null;
    const local = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus({ preventScroll: true });
      dragged = [event.clientX, event.clientY];
      if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
      else pick(nearest(...local(event), 2 * PICK));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (dragged && event.buttons) {
        move(event.clientX - dragged[0], event.clientY - dragged[1]);
        dragged = [event.clientX, event.clientY];
      } else if (event.pointerType === "mouse") pick(nearest(...local(event), PICK));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (dragged = null));
    canvas.addEventListener("pointerleave", () => dragged || pick(-1));
    canvas.addEventListener("dblclick", reset);
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(60, Math.abs(event.deltaY)) * 0.005), ...local(event));
      },
      { passive: false },
    );

    // Keyboard: on the map itself, and as buttons beside it.
    const acts = {
      in: () => zoom(1.5),
      out: () => zoom(1 / 1.5),
      reset,
      left: () => move(width / 8, 0),
      right: () => move(-width / 8, 0),
      up: () => move(0, height / 8),
      down: () => move(0, -height / 8),
      save,
      read() {
        pick(nearest(width / 2, height / 2, width + height));
        status.textContent = picked < 0 ? "" : words(picked).filter(Boolean).join(" · ");
      },
    };
    const keys = {
      "+": "in", "=": "in", "-": "out", 0: "reset", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up",
      ArrowDown: "down", Enter: "read",
    };
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[keys[event.key]]();
    });
    for (const button of box.querySelectorAll("[data-map-act]")) {
      button.addEventListener("click", () => acts[button.dataset.mapAct](button.dataset.name));
    }

    function showLegend() {
      only = 0;
      legend.replaceChildren();
      if (!colour) return;
      const add = (tag, text, name) => {
        const part = legend.appendChild(document.createElement(tag));
        part.textContent = text;
        if (name) part.className = name;
        return part;
      };
      if (colour.kind === "value") {
        add("span", colour.ends[0]);
        add("span", "", "map-ramp");
        add("span", `${colour.ends[2]} (median ${colour.ends[1]}), coloured by rank`);
      } else if (colour.count <= LEGEND_MOST) {
        for (let level = 1; level <= colour.count; level++) {
          const button = add("button", `cluster ${level}`);
          button.type = "button";
          button.setAttribute("aria-pressed", "false");
          button.prepend(document.createElement("i"));
          button.firstChild.style.background = shades.points[level].css;
          button.addEventListener("click", () => {
            only = only === level ? 0 : level;
            for (const [place, other] of [...legend.children].entries()) {
              other.setAttribute("aria-pressed", String(place + 1 === only));
            }
            redraw();
          });
        }
      } else add("span", `Some of the ${colour.count} clusters share similar colours; hover for the name`);
    }
    function recolour() {
      shades = shadesOf(colour, box);
      showLegend();
      redraw();
    }
    find("colour")?.addEventListener("change", (event) => {
      colour = colours[event.target.value];
      pick(-1);
      recolour();
    });
    find("layout")?.addEventListener("change", (event) => {
      layout = layouts[event.target.value];
      note.textContent = layout.note;
      pick(-1);
      reset();
    });
    const search = find("search");
    search?.addEventListener("input", () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      kept = wanted.length
        ? Uint8Array.from({ length: total }, (_, i) => {
            const text = `${data.ids[i]} ${data.texts[i] ?? ""}`.toLowerCase();
            return wanted.every((word) => text.includes(word));
          })
        : null;
      const found = kept?.reduce((sum, one) => sum + one, 0);
      status.textContent = kept ? `${shown(found)} of ${shown(total)} documents` : "";
      redraw();
    });

    let drawn = [0, 0];
    new ResizeObserver(() => {
      if (canvas.clientWidth === drawn[0] && canvas.clientHeight === drawn[1]) return;
      drawn = [canvas.clientWidth, canvas.clientHeight];
      reset();
    }).observe(canvas);
    document.addEventListener("embgeo-draw", () => {
      recolour();
      paint(); // immediately: printing does not wait for a frame
    });
    measure();
    reset();
    recolour();
  }

  document.querySelectorAll("[data-map]").forEach(start);
})();
