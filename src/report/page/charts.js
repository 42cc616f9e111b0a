// The kinds of plots, drawn by Observable Plot as SVG. Colours are CSS variables, so that light, dark
// and print need no drawing again.

const style = {
  background: "none",
  color: "inherit",
  fontFamily: "inherit",
  fontSize: "12px",
  overflow: "visible",
};

const mixed = (low, high, share) =>
  `color-mix(in oklab, var(--${high}) ${(100 * share).toFixed(1)}%, var(--${low}))`;
const ramp = (t) => (t < 0.5 ? mixed("heat0", "heat1", 2 * t) : mixed("heat1", "heat2", 2 * t - 1));
const twoSided = (t) => (t < 0 ? mixed("heat-zero", "heat-below", -t) : mixed("heat-zero", "heat-above", t));
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// The values that a map's colours are made for: those of matrices where it has any. Norms and biases
// are few and small, and often far from all others.
function scaled(cells) {
  const matrices = cells.filter((cell) => cell.part === "linear");
  return {
    values: (matrices.length ? matrices : cells).map((cell) => cell.value),
    all: cells.map((cell) => cell.value),
  };
}

// A scale of colours: from 0 up, or to both sides of `centre`. Few values far beyond the others would
// leave these pale, so it ends at the 95th percentile's double, and what is beyond has its last colour.
// It reaches at least as far as `least`, so that differences that mean nothing look like nothing.
function heat(values, { centre = null, format = significant, reverse = false, least = 0 } = {}) {
  const from = Array.isArray(values) ? { values, all: values } : values;
  const distances = (of) =>
    of
      .filter((value) => value !== null)
      .map((value) => Math.abs(value - (centre ?? 0)))
      .sort(d3.ascending);
  const sizes = distances(from.values);
  const far = sizes[sizes.length - 1] || 1;
  const usual = d3.quantileSorted(sizes, 0.95) || far;
  const end = Math.max(least, far > 2 * usual ? 2 * usual : far);
  const cutOff = d3.max(distances(from.all)) > end;
  const beyond = cutOff ? "≥ " : "",
    below = cutOff ? "≤ " : "";
  if (centre === null) {
    return {
      color: (value) => ramp(clamp(value / end, 0, 1)),
      key: () =>
        h(
          "div",
          { class: "ramp" },
          h("span", {}, format(0)),
          h("span", { class: "colours heat" }),
          h("span", {}, beyond + format(end)),
        ),
    };
  }
  return {
    color: (value) => twoSided((reverse ? -1 : 1) * clamp((value - centre) / end, -1, 1)),
    key: () =>
      h(
        "div",
        { class: "ramp" },
        h("span", {}, below + format(centre - end)),
        h("span", { class: `colours two-sided${reverse ? " reverse" : ""}` }),
        h("span", {}, beyond + format(centre + end)),
        h("span", { class: "middle" }, `middle: ${format(centre)}`),
      ),
  };
}

const labelWidth = (labels) => Math.min(190, 14 + 6.6 * d3.max(labels, (label) => label.length));
const cut = (label, most = 21) => (label.length > most ? `${label.slice(0, most - 1)}…` : label);
const labelRoom = (width) => (width < 480 ? 21 : 27);

// Ticks of layers that do not run into each other.
function layerTicks(domain, room) {
  const wide = Math.max(22, 6 * d3.max(domain, (layer) => `${layer}`.length));
  const step = Math.max(1, Math.ceil((domain.length * wide) / room));
  return domain.filter((_, i) => i % step === 0);
}

// Layers along a line plot: numbers, or the names of several modules' layers one after the other.
function layerAxis(ticks, room) {
  const axis = { label: "layer", inset: 4 };
  if (layers.every((layer) => typeof layer === "number"))
    return { ...axis, domain: d3.extent(layers), ticks: Math.min(layers.length, ticks), tickFormat: "d" };
  return { ...axis, type: "point", domain: layers, ticks: layerTicks(layers, room) };
}

// cells: {x, y, value, from, label}
function heatmap(cells, width, { color, xLabel = "layer", xDomain = layers }) {
  if (!cells.length) return note("Nothing to show for this choice.");
  const rows = [...new Set(cells.map((cell) => cell.y))];
  const short = (row) => cut(row, labelRoom(width));
  const marginLeft = labelWidth(rows.map(short));
  const rowHeight = clamp(200 / rows.length, 20, 28);
  return Plot.plot({
    style,
    width,
    marginLeft,
    marginRight: 4,
    marginTop: 4,
    marginBottom: 36,
    height: 40 + rows.length * rowHeight,
    x: {
      type: "band",
      domain: xDomain,
      label: xLabel,
      labelArrow: "none",
      labelAnchor: "center",
      padding: 0.06,
      tickSize: 0,
      ticks: layerTicks(xDomain, width - marginLeft),
    },
    y: { type: "band", domain: rows, label: null, padding: 0.06, tickSize: 0, tickFormat: short },
    color: { type: "identity" },
    marks: [
      Plot.cell(cells, { x: "x", y: "y", fill: (d) => color(d.value), rx: 1.5, render: carrying(cells) }),
    ],
  });
}

const seriesColor = (index) => `var(--series${index % 8})`;
const seriesDash = (index) => (index < 8 ? null : "5 3");

function seriesKey(names, kinds = []) {
  const swatches = names.map((name, index) =>
    h(
      "span",
      { class: "series" },
      h("span", { class: "swatch", style: `background: ${seriesColor(index)}` }),
      name,
    ),
  );
  return h(
    "div",
    { class: "keys" },
    swatches,
    kinds.map(({ name, dashed }) =>
      h("span", { class: "series" }, h("span", { class: dashed ? "stroke dashed" : "stroke" }), name),
    ),
  );
}

// Points joined to lines, one line for each series (and `dashed` or not), in panels side by side.
// points: {panel, x, y, series, dashed, module, value, from, label}; lines end where `module` does; y is what is drawn, value what is carried.
function linePlot(points, width, { panels, x, y, columns, panelHeight = 150, rule = null, extra = [] }) {
  const known = points.filter((point) => point.value !== null);
  const many = panels.length > 1;
  const across = Math.min(columns, panels.length),
    down = Math.ceil(panels.length / across);
  const place = (panel) => panels.indexOf(panel);
  const facet = many
    ? { fx: (d) => place(d.panel) % across, fy: (d) => Math.floor(place(d.panel) / across) }
    : {};
  const titles = panels.map((panel) => ({ panel }));
  const line = (d) => `${d.panel}|${d.series}|${d.dashed ? 1 : 0}|${d.module ?? ""}`;
  return Plot.plot({
    style,
    width,
    marginLeft: 44,
    marginRight: 12,
    marginTop: extra.length ? 46 : many ? 28 : 10,
    marginBottom: 38,
    height: down * panelHeight + (extra.length ? 70 : 40),
    fx: { axis: null, domain: d3.range(across), paddingInner: 0.1, paddingOuter: 0 },
    fy: { axis: null, domain: d3.range(down), paddingInner: 0.24, paddingOuter: 0 },
    x: { ...x, labelArrow: "none", labelAnchor: "center" },
    y: { grid: true, nice: true, label: null, ticks: 4, ...y },
    marks: [
      rule === null
        ? null
        : Plot.ruleY([rule], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: "2 3" }),
      many
        ? Plot.text(titles, {
            ...facet,
            text: (d) => cut(shortRole(d.panel), 44),
            frameAnchor: "top-left",
            dy: -18,
            fontWeight: 600,
          })
        : null,
      ...extra,
      ...d3.groups(known, line).map(([, group]) =>
        Plot.line(group, {
          ...facet,
          x: "x",
          y: "y",
          stroke: seriesColor(group[0].series),
          strokeWidth: group[0].thin ? 1 : 1.6,
          strokeDasharray: group[0].dashed ? "4 3" : seriesDash(group[0].series),
          curve: "linear",
        }),
      ),
      // Dots of the same colour; one mark for each series, as colours are not data here.
      ...d3
        .groups(known, (d) => d.series)
        .map(([series, group]) =>
          Plot.dot(group, {
            ...facet,
            x: "x",
            y: "y",
            r: 3,
            fill: seriesColor(series),
            stroke: "var(--surface)",
            strokeWidth: 0.8,
            render: carrying(group),
          }),
        ),
    ],
  });
}

const fewColumns = (width, most) => clamp(Math.floor(width / 230), 1, most);
