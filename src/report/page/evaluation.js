// The page of `merganser evaluate`: models by tasks, two tasks against each other, everything as a
// table.

const tasks = contents.tasks;
const rows = contents.rows;
const kinds = [...new Set(rows.map((row) => row.kind))];
const kindNames = {
  base: "base",
  input: "inputs",
  ensemble: "ensemble of the inputs' outputs",
  model: "merges and other models",
};
const kindColor = (kind) => seriesColor({ base: 6, input: 1, ensemble: 2, model: 0 }[kind] ?? 3);
const hasGains = rows.some((row) => tasks.some((task) => row.tasks[task.name].gain !== undefined));

// A model's figure on a task: `what` is "value" or "gain".
function measured(r, task, what) {
  const at = pointer("rows", r, "tasks", task.name, what);
  const ends = what === "gain" ? "gain_interval" : "interval";
  const [low, high] = rows[r].tasks[task.name][ends] ?? [null, null];
  return { ...number(at), low, high, r, kind: rows[r].kind, name: rows[r].name };
}

const written = (task, what) =>
  what === "value" && task.metric === "accuracy" ? percent : significant;
const axisName = (task, what) => (what === "gain" ? "normalised gain" : task.metric);
const better = (task, what) =>
  what === "gain" || !task.smaller_is_better ? "further right is better" : "further left is better";

function labelled(entry, task, what) {
  const format = written(task, what);
  const interval = entry.low === null ? "" : `, 95 % between ${format(entry.low)} and ${format(entry.high)}`;
  return {
    ...entry,
    label: `${entry.name}: ${axisName(task, what)} on ${task.name} ${format(entry.value)}${interval}`,
  };
}

const kindKey = () =>
  h(
    "div",
    { class: "keys" },
    kinds.map((kind) =>
      h(
        "span",
        { class: "series" },
        h("span", { class: "swatch", style: `background: ${kindColor(kind)}` }),
        kindNames[kind] ?? kind,
      ),
    ),
  );

// A point with its interval for each model, models below each other in the report's order.
function pointsPlot(points, width, task, what) {
  const format = written(task, what);
  // Two models may have one name.
  const names = new Map(points.map((point) => [point.r, point.name]));
  const short = (r) => cut(names.get(r).replace(/^.*\/(?=[^/]+\/?$)/, ""), labelRoom(width));
  const order = points.map((point) => point.r);
  return Plot.plot({
    style,
    width,
    height: 50 + order.length * 26,
    marginLeft: 10 + labelWidth(order.map(short)),
    marginRight: 16,
    marginTop: 6,
    marginBottom: 40,
    x: {
      label: axisName(task, what),
      labelArrow: "none",
      labelAnchor: "center",
      ticks: Math.max(2, Math.round(width / 110)),
      tickFormat: (value) => format(value),
      grid: true,
    },
    y: { type: "band", domain: order, label: null, tickSize: 0, tickFormat: short },
    color: { type: "identity" },
    marks: [
      what === "gain" ? Plot.ruleX([0, 1], { stroke: "var(--soft)", strokeDasharray: "3 3" }) : null,
      Plot.ruleY(
        points.filter((point) => point.low !== null),
        { x1: "low", x2: "high", y: "r", stroke: (d) => kindColor(d.kind), strokeWidth: 2 },
      ),
      Plot.dot(points, {
        x: "value",
        y: "r",
        r: 5,
        fill: (d) => kindColor(d.kind),
        render: carrying(points),
      }),
    ],
  });
}

function pointsFigure(task, t, what) {
  const points = rows
    .map((_, r) => labelled(measured(r, task, what), task, what))
    .filter((point) => point.value !== null);
  const format = written(task, what);
  return figure({
    id: `${what}-${t}`,
    title: `${task.name}: ${axisName(task, what)}`,
    read:
      what === "gain"
        ? "0 is the base, 1 the best of the inputs on this task; bars are 95 % intervals from paired resamples of the rows."
        : `Bars are 95 % intervals over ${whole(task.rows)} rows; ${better(task, what)}.`,
    formula: what === "gain" ? lines("gain = (x − base) / (best input − base)") : null,
    legend: kindKey,
    draw: (width) => pointsPlot(points, width, task, what),
    marks: points,
    values: () => ({
      columns: [
        { title: "model", wrap: true },
        { title: axisName(task, what), number: true, format },
        { title: "from", number: true, format },
        { title: "to", number: true, format },
      ],
      rows: points.map((point) => [point.name, point, point.low, point.high]),
    }),
  });
}

function eachTask() {
  section(
    "tasks",
    "Each task",
    null,
    h(
      "div",
      { class: "grid" },
      tasks.map((task, t) => pointsFigure(task, t, "value")),
    ),
  );
  if (!hasGains) return;
  section(
    "gains",
    "Normalised gains",
    "How far a model comes from the base towards the best input of each task.",
    h(
      "div",
      { class: "grid" },
      tasks.map((task, t) => pointsFigure(task, t, "gain")),
    ),
  );
}

// Models as points between two tasks: an ensemble or a good merge is near the corner of both best.
function scatterPlot(points, width, x, y, what) {
  const side = clamp(width * 0.62, 260, 460);
  const axis = (task) => ({
    label: `${task.name}: ${axisName(task, what)}`,
    labelArrow: "none",
    labelAnchor: "center",
    tickFormat: (value) => written(task, what)(value),
    nice: true,
    grid: true,
    inset: 12,
  });
  return Plot.plot({
    style,
    width,
    height: side,
    marginLeft: 68,
    marginRight: 20,
    marginBottom: 42,
    marginTop: 14,
    x: { ...axis(x), ticks: Math.max(2, Math.round(width / 110)) },
    y: axis(y),
    color: { type: "identity" },
    marks: [
      what === "gain"
        ? [
            Plot.ruleX([0, 1], { stroke: "var(--soft)", strokeDasharray: "3 3" }),
            Plot.ruleY([0, 1], { stroke: "var(--soft)", strokeDasharray: "3 3" }),
          ]
        : null,
      Plot.ruleY(points, { x1: "low", x2: "high", y: "y", stroke: (d) => kindColor(d.kind), strokeOpacity: 0.4 }),
      Plot.ruleX(points, { y1: "yLow", y2: "yHigh", x: "value", stroke: (d) => kindColor(d.kind), strokeOpacity: 0.4 }),
      Plot.dot(points, {
        x: "value",
        y: "y",
        r: 6,
        fill: (d) => kindColor(d.kind),
        render: carrying(points),
      }),
      width < 480
        ? null
        : Plot.text(points, {
            x: "value",
            y: "y",
            dy: -11,
            text: (d) => cut(d.name.replace(/^.*\/(?=[^/]+\/?$)/, ""), 24),
            fill: "var(--soft)",
            fontSize: 11,
          }),
    ],
  });
}

function twoTasks() {
  if (tasks.length < 2) return;
  const pairs = tasks.flatMap((_, i) => tasks.slice(i + 1).map((_, j) => [i, i + 1 + j]));
  const state = { pair: 0, what: hasGains ? "gain" : "value" };
  const points = () => {
    const [i, j] = pairs[state.pair];
    return rows
      .map((_, r) => {
        const one = labelled(measured(r, tasks[i], state.what), tasks[i], state.what);
        const other = labelled(measured(r, tasks[j], state.what), tasks[j], state.what);
        return {
          ...one,
          y: other.value,
          yLow: other.low,
          yHigh: other.high,
          yFrom: other.from,
          label: `${one.label}; ${other.label.slice(other.name.length + 2)}`,
        };
      })
      .filter((point) => point.value !== null && point.y !== null);
  };
  const title = () => {
    const [i, j] = pairs[state.pair];
    return `${tasks[i].name} and ${tasks[j].name}`;
  };
  const both = figure({
    id: "two-tasks",
    title: title(),
    read: "A point is a model; lines are its 95 % intervals. Dashed lines, for gains: the base (0) and the best input (1) of each task.",
    legend: kindKey,
    draw: (width) => {
      const [i, j] = pairs[state.pair];
      return scatterPlot(points(), width, tasks[i], tasks[j], state.what);
    },
    values: () => {
      const [i, j] = pairs[state.pair];
      const format = (task) => written(task, state.what);
      return {
        columns: [
          { title: "model", wrap: true },
          { title: tasks[i].name, number: true, format: format(tasks[i]) },
          { title: tasks[j].name, number: true, format: format(tasks[j]) },
        ],
        rows: points().map((point) => [point.name, point, { value: point.y, from: point.yFrom }]),
      };
    },
  });
  const change = () => both.update({ title: title() });
  section(
    "both",
    "Two tasks at once",
    "What a merge is for: one model that does well on both.",
    h(
      "div",
      { class: "controls" },
      pairs.length > 1
        ? choice(
            "Tasks",
            pairs.map(([i, j]) => `${tasks[i].name} and ${tasks[j].name}`),
            (index) => {
              state.pair = index;
              change();
            },
          )
        : null,
      hasGains
        ? choice("Shown", ["normalised gains", "metrics"], (index) => {
            state.what = index === 0 ? "gain" : "value";
            change();
          })
        : null,
    ),
    both,
  );
}

function everything() {
  const columns = [
    { title: "model", wrap: true },
    { title: "kind" },
    ...tasks.flatMap((task) => [
      { title: `${task.name}, ${task.metric}`, number: true, format: written(task, "value") },
      { title: "95 %" },
      ...(hasGains ? [{ title: "gain", number: true }, { title: "95 %" }] : []),
    ]),
  ];
  const range = (entry, format) =>
    entry.low === null ? null : `${format(entry.low)} to ${format(entry.high)}`;
  const cells = rows.map((row, r) => [
    row.name,
    row.kind,
    ...tasks.flatMap((task) => {
      const value = measured(r, task, "value"),
        gain = measured(r, task, "gain");
      return [
        value,
        range(value, written(task, "value")),
        ...(hasGains ? [gain, range(gain, significant)] : []),
      ];
    }),
  ]);
  section(
    "table",
    "All figures",
    null,
    sortableTable({ caption: "Every model on every task", columns, rows: cells, id: "figures-table" }),
    contents.notes.map((words) => note(words)),
  );
}

theme();
document.title = `Models on ${tasks.map((task) => task.name).join(", ")}`;
document.getElementById("title").textContent =
  `${rows.length} ${rows.length === 1 ? "model" : "models"} on ${tasks.map((task) => task.name).join(", ")}`;
document.getElementById("subject").textContent =
  `Split “${contents.split}”: ${tasks.map((task) => `${whole(task.rows)} rows of ${task.name}`).join(", ")}.`;
eachTask();
twoTasks();
everything();
footer(`Made by merganser ${contents.merganser}, document schema ${contents.schema}.`);
settle();
