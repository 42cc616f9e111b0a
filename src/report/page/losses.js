// What a merge would lose of each fine-tune, from the weights alone, and what SMILE costs.

const lossRead =
  "0 % means that the merged model holds the fine-tune’s change exactly, 100 % that nothing of it is left (the base itself has 100 %); more is worse than the base. It measures weights, not quality: merges with large numbers here can be good.";
const lossFormula =
  "error = |(merged − W₀) − D| / |D|, over all weights in question together, D the fine-tune’s change.";

function lossTable() {
  const cells = methods.map((_, m) => models.map((_, i) => number(`/total/losses/${m}/${i}`)));
  const scale = heat(
    cells.flat().map((cell) => cell.value),
    { format: percent, least: 1 },
  );
  // Of those that changed anything; a mean over what happens to be known would be none of them all.
  const unknown = (cell, i) => cell.value === null && analysis.total.changes[i].norm > 0;
  const mean = (row) => (row.some(unknown) ? null : (d3.mean(row, (cell) => cell.value) ?? null));
  return h(
    "div",
    {},
    sortableTable({
      caption: "Relative error to each fine-tune’s change",
      id: "loss-table",
      columns: [
        { title: "Method" },
        { title: "From" },
        ...models.map((title) => ({ title, number: true, format: percent })),
        ...(models.length > 1 ? [{ title: "Mean", number: true, format: percent }] : []),
      ],
      rows: methods.map((method, m) => [
        method.label ?? method.name,
        method.from === "recipe" ? "recipe" : "usual",
        ...cells[m].map((cell) => shaded(cell, scale)),
        ...(models.length > 1 ? [derived(mean(cells[m]), "mean of the row")] : []),
      ]),
    }),
    h("p", { class: "read" }, h("strong", {}, "How to read this: "), unbroken(lossRead)),
    h("details", {}, h("summary", {}, "Formula"), h("div", { class: "formula" }, lines(lossFormula))),
  );
}

function lossMap() {
  const state = { method: 0 };
  const cells = () =>
    models
      .flatMap((model, i) =>
        layers.map((layer, l) => {
          const loss = number(`/layers/${l}/losses/${state.method}/${i}`);
          return {
            ...loss,
            x: layer,
            y: model,
            name: model,
            label: `${methods[state.method].label}, layer ${layer}: ${percent(loss.value)} of ${model} is lost`,
          };
        }),
      )
      .filter((cell) => cell.value !== null);
  // One scale for all methods, so that switching between them compares them.
  const all = methods.flatMap((_, m) =>
    layers.flatMap((_, l) => models.map((_, i) => number(`/layers/${l}/losses/${m}/${i}`))),
  );
  const scale = heat(
    all.map((loss) => loss.value),
    { format: percent, least: 1 },
  );
  const title = () => `Error by layer: ${methods[state.method].label ?? methods[state.method].name}`;
  const map = figure({
    id: "loss-map",
    marks: all,
    title: title(),
    read: "a row for each fine-tune, a column for each layer; the stronger the colour, the more of that fine-tune’s change the merge loses there. All methods have the same colours.",
    formula: lines(lossFormula),
    legend: scale.key,
    draw: (width) => heatmap(cells(), width, { color: scale.color }),
    values: () => ({
      columns: [
        { title: "Fine-tune" },
        { title: "Layer", number: true, format: text },
        { title: "Error", number: true, format: percent },
      ],
      rows: cells().map((cell) => [cell.y, cell.x, { value: cell.value, from: cell.from }]),
    }),
  });
  const select = choice(
    "Method: ",
    methods.map((method) => method.label ?? method.name),
    (method) => {
      state.method = method;
      map.update({ title: title() });
    },
  );
  return map ? [select, map] : [];
}

// 1.003 and 1.012 are not the same size.
const times = (ratio) => `${ratio < 1.1 ? ratio.toFixed(3) : significant(ratio)}×`;

function smileFigure() {
  const curve = analysis.smile?.curve ?? [];
  if (!curve.length) return null;
  const kinds = [
    { key: "errors", name: "of the whole change" },
    { key: "errors_linear", name: "of the linear layers alone", dashed: true },
  ];
  const points = kinds.flatMap(({ key, name, dashed }) =>
    models.flatMap((model, i) =>
      curve.map((entry, c) => {
        const error = number(`/smile/curve/${c}/${key}/${i}`);
        return {
          ...error,
          panel: "",
          series: i,
          dashed,
          x: entry.rank,
          y: error.value,
          label: `${model}, rank ${entry.rank} (${times(entry.ratio)} the base): error ${percent(error.value)} ${name}`,
        };
      }),
    ),
  );
  const ranks = curve.map((entry) => entry.rank);
  return figure({
    id: "smile-curve",
    title: "SMILE: error and size by rank",
    read: "the further right, the larger the mixture (its parameters, as a multiple of the base’s, stand above) and the less is lost of each fine-tune. Where the full line stays above the dashed one, the rest is in what SMILE’s experts do not carry: embeddings, norms, head.",
    formula: lines(
      "error(k) = √( Σ_linear |D − D_k|² + Σ_uncarried |D|² ) / |D|, D_k the best approximation of rank k; dashed: the linear layers alone. Each token is taken to reach its own expert.",
      "parameters = base + for each linear layer [m, n] and fine-tune k (m + n), changed biases, and the routers (arXiv 2408.10174).",
    ),
    legend: () => seriesKey(models, kinds),
    draw: (width) => {
      const room = (width - 56) / ranks.length;
      const every = Math.max(1, Math.ceil(42 / room));
      const ticks = ranks.filter((_, i) => i % every === 0);
      return linePlot(points, width, {
        panels: [""],
        columns: 1,
        panelHeight: 260,
        x: { type: "log", base: 2, domain: d3.extent(ranks), inset: 6 },
        y: {
          domain: [
            0,
            Math.max(
              1,
              d3.max(points, (point) => point.y ?? 0),
            ),
          ],
          tickFormat: (d) => `${Math.round(100 * d)} %`,
        },
        extra: [
          Plot.axisX(ticks, {
            anchor: "bottom",
            label: "rank of each expert",
            labelArrow: "none",
            labelAnchor: "center",
            tickFormat: (rank) => `${rank}`,
          }),
          Plot.axisX(ticks, {
            anchor: "top",
            label: "parameters / base",
            labelArrow: "none",
            labelAnchor: "center",
            tickFormat: (rank) => times(curve[ranks.indexOf(rank)].ratio),
          }),
        ],
      });
    },
    values: () => ({
      columns: [
        { title: "Rank", number: true, format: whole },
        { title: "Parameters", number: true, format: large },
        { title: "of the base", number: true, format: times },
        ...models.map((title) => ({ title, number: true, format: percent })),
        ...models.map((title) => ({ title: `${title}, linear`, number: true, format: percent })),
      ],
      rows: curve.map((entry, c) => [
        entry.rank,
        number(`/smile/curve/${c}/parameters`),
        number(`/smile/curve/${c}/ratio`),
        ...models.map((_, i) => number(`/smile/curve/${c}/errors/${i}`)),
        ...models.map((_, i) => number(`/smile/curve/${c}/errors_linear/${i}`)),
      ]),
    }),
  });
}

function losses() {
  section(
    "losses",
    "What a merge would lose",
    null,
    ...(methods.length ? [lossTable(), ...lossMap()] : [note("No merge method was asked for.")]),
    smileFigure(),
  );
}
