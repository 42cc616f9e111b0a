// Losses and errors along a path between two models, and how high they rise.

const measured = contents;
const layers = []; // of other pages' maps
const shortRole = (name) => name;
const baseName = (path) => path.replace(/\/+$/, "").split("/").at(-1) || path;
const modelNames = measured.models.map(baseName);

// A number of the document with its JSON pointer (RFC 6901).
function number(at) {
  let value = measured;
  for (const key of at.split("/").slice(1)) value = value?.[key];
  return { value: typeof value === "number" ? value : null, from: at };
}

const curveName = (panel, curve) =>
  curve.statistics ? `${panel.split}, ${curve.statistics} statistics` : panel.split;

// Every line that a panel has for a measure: its name, and where its values stand.
function linesOf(panel, p, measure) {
  const own = panel.curves
    .map((curve, c) => ({
      name: curveName(panel, curve),
      at: `/panels/${p}/curves/${c}/${measure}`,
      values: curve[measure],
    }))
    .filter(({ values }) => values);
  const together = panel.ensemble?.[measure];
  if (together)
    own.push({
      name: `${panel.split}, ensemble of both`,
      at: `/panels/${p}/ensemble/${measure}`,
      values: together,
      dashed: true,
    });
  return own;
}

const measures = {
  loss: {
    title: "loss",
    format: significant,
    read: "the mean loss (nats; of language models for each token) of the models in between. A hill is a barrier: merges of the two by averaging lose there.",
  },
  error: {
    title: "error",
    format: percent,
    read: "the share of rows that the models in between classify wrongly.",
  },
};

function pathFigure(task, measure) {
  const { title, format, read } = measures[measure];
  const panels = measured.panels.map((panel, p) => ({ panel, p })).filter(({ panel }) => panel.task === task);
  const curves = panels.flatMap(({ panel, p }) => linesOf(panel, p, measure));
  if (!curves.length) return null;
  const points = curves.flatMap((curve, series) =>
    measured.lambdas.map((lambda, i) => {
      const cell = number(`${curve.at}/${i}`);
      return {
        ...cell,
        panel: "",
        series,
        dashed: curve.dashed,
        x: lambda,
        y: cell.value,
        label: `λ ${significant(lambda)}, ${curve.name}: ${title} ${format(cell.value)}`,
      };
    }),
  );
  return figure({
    id: `${measure}-${measured.panels.findIndex((panel) => panel.task === task)}`,
    marks: points,
    title: `${task}: ${title}`,
    read: `from left to right from ${modelNames[0]} (λ = 0) to ${modelNames[1]} (λ = 1); ${read} The ensemble is the mean of the two models’ probabilities, weighted 1 − λ and λ.`,
    legend: () =>
      seriesKey(
        curves.map(({ name }) => name),
        [{ name: "ensemble", dashed: true }],
      ),
    draw: (width) =>
      linePlot(points, width, {
        panels: [""],
        columns: 1,
        panelHeight: 280,
        x: { domain: [0, 1], label: "λ", inset: 4 },
        y: { tickFormat: measure === "error" ? (d) => `${+(100 * d).toPrecision(6)} %` : (d) => `${+d.toPrecision(6)}` },
      }),
    values: () => ({
      columns: [
        { title: "λ", number: true },
        ...curves.map(({ name }) => ({ title: name, number: true, format })),
      ],
      rows: measured.lambdas.map((_, i) => [
        number(`/lambdas/${i}`),
        ...curves.map(({ at }) => number(`${at}/${i}`)),
      ]),
    }),
  });
}

const barrierFormula = [
  "Above the mean (Frankle et al. 2020): max of L(λ) − (L(0) + L(1)) / 2.",
  "Above the line (Entezari et al. 2021): max of L(λ) − ((1 − λ) L(0) + λ L(1)).",
  "Both over the points strictly between the ends; below 0 where the way never rises above them, which is reported as a barrier of 0.",
];

function barrierTable() {
  const rows = measured.panels.flatMap((panel, p) =>
    panel.curves.flatMap((curve, c) =>
      Object.keys(measures)
        .filter((measure) => curve[measure])
        .map((measure) => {
          const at = `/panels/${p}/curves/${c}/${measure}`;
          const { format } = measures[measure];
          const cell = (pointer) => {
            const value = number(pointer);
            return { ...value, text: format(value.value) };
          };
          const last = curve[measure].length - 1;
          return [
            panel.task,
            curveName(panel, curve),
            measure,
            cell(`${at}/0`),
            cell(`${at}/${Math.floor(last / 2)}`),
            cell(`${at}/${last}`),
            cell(`${at}_barrier/above_mean/unclipped`),
            cell(`${at}_barrier/above_line/unclipped`),
            number(`${at}_barrier/above_line/lambda`),
          ];
        }),
    ),
  );
  const columns = [
    "Task",
    "Curve",
    "Measure",
    modelNames[0],
    "Middle",
    modelNames[1],
    "Above the mean",
    "Above the line",
    "Highest at λ",
  ];
  return h(
    "div",
    {},
    sortableTable({
      caption: "Ends, middle and barriers",
      id: "barrier-table",
      columns: columns.map((title, index) => ({ title, number: index > 2 })),
      rows,
    }),
    h(
      "details",
      {},
      h("summary", {}, "Formula"),
      h("div", { class: "formula" }, lines(...barrierFormula)),
    ),
  );
}
