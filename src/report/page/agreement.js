// Between fine-tunes: do their changes point the same way, pull against each other, or touch the same
// weights?

const topPart = analysis.settings?.top_share ?? 0.2;
const topShare = percent(topPart);
const measures = [
  {
    key: "cosine",
    title: "Cosine",
    format: significant,
    centre: 0,
    least: 0.25,
    read: "1 is the same direction, 0 unrelated, negative opposed.",
  },
  {
    key: "sign_conflict",
    title: "Sign conflict",
    format: percent,
    centre: 0.5,
    least: 0.15,
    reverse: true,
    read: "of the elements that both changed, those with opposite signs; 50 % is what two unrelated changes have.",
  },
  {
    key: "sign_conflict_top",
    title: `Sign conflict of the largest ${topShare}`,
    format: percent,
    centre: 0.5,
    least: 0.15,
    reverse: true,
    read: "the same among the elements that are large in both: these are the ones that a sum cancels noticeably.",
  },
  {
    key: "overlap_top",
    title: `Overlap of the largest ${topShare}`,
    format: percent,
    centre: null,
    least: 0.3,
    read: `how far the two change the same elements most; 0 % not one, 100 % exactly the same; two unrelated changes have ${percent(topPart / (2 - topPart))}.`,
  },
];

const formulas = {
  cosine: "⟨D_a, D_b⟩ / (|D_a| |D_b|)",
  sign_conflict: "elements with D_a · D_b < 0 / elements where both are not 0",
  sign_conflict_top: "the same, among elements within the largest by |D| of both",
  overlap_top:
    "|T_a ∩ T_b| / |T_a ∪ T_b| (Jaccard), T the elements that are largest by |D|; unrelated changes with share s have s / (2 − s)",
};

function pairsTable() {
  return sortableTable({
    caption: "Every two fine-tunes, over all weights",
    id: "pairs-table",
    columns: [
      { title: "Fine-tunes" },
      ...measures.map(({ title, format }) => ({ title, number: true, format })),
    ],
    rows: pairs.map((pair, p) => [
      pairName(pair),
      ...measures.map(({ key }) => number(`/total/pairs/${p}/${key}`)),
    ]),
  });
}

function pairsByLayer() {
  const points = measures.flatMap(({ key, title, format }) =>
    pairs.flatMap((pair, p) =>
      layers.map((layer, l) => {
        const value = number(`/layers/${l}/pairs/${p}/${key}`);
        return {
          ...value,
          panel: title,
          series: p,
          module: moduleOf(l),
          x: layer,
          y: value.value,
          label: `${pairName(pair)}, layer ${layer}, ${title.toLowerCase()}: ${format(value.value)}`,
        };
      }),
    ),
  );
  return figure({
    id: "pairs-by-layer",
    marks: points,
    title: "Agreement by layer",
    read: "a line for every two fine-tunes, over the layers of the model. Where the cosine is high they learnt the same; where sign conflict is high, adding them up loses of both.",
    formula: measures.map(({ key, title }) => h("p", {}, h("b", {}, title), `: ${formulas[key]}`)),
    legend: () => seriesKey(pairs.map(pairName)),
    draw: (width) =>
      linePlot(points, width, {
        panels: measures.map(({ title }) => title),
        columns: fewColumns(width, 2),
        x: layerAxis(8, width / fewColumns(width, 2)),
        y: { zero: true },
      }),
    values: () => ({
      columns: [
        { title: "Fine-tunes" },
        { title: "Layer", number: true, format: text },
        ...measures.map(({ title, format }) => ({ title, number: true, format })),
      ],
      rows: pairs.flatMap((pair, p) =>
        layers.map((layer, l) => [
          pairName(pair),
          layer,
          ...measures.map(({ key }) => number(`/layers/${l}/pairs/${p}/${key}`)),
        ]),
      ),
    }),
  });
}

// Of several tensors in one cell. The document has no counts, so shares are weighted by elements.
const joinPair = (p, key) => (members) => {
  const [a, b] = pairs[p];
  if (key === "cosine") {
    const dot = d3.sum(
      members,
      ({ tensor }) => tensor.pairs[p].cosine * tensor.changes[a].norm * tensor.changes[b].norm,
    );
    const norm = (i) => rootOfSquares(members.map(({ tensor }) => tensor.changes[i].norm));
    return derived(dot / norm(a) / norm(b), "cosine over all of them");
  }
  const total = d3.sum(members, ({ tensor }) => tensor.elements);
  return derived(
    d3.sum(members, ({ tensor }) => tensor.pairs[p][key] * tensor.elements) / total,
    "mean, weighted by elements",
  );
};

function pairMap(state, { key, title, format, centre, reverse, least, read }) {
  const of = ({ index }) => number(`/tensors/${index}/pairs/${state.pair}/${key}`);
  const cells = () =>
    layerCells(of, joinPair(state.pair, key)).map((cell) => ({
      ...cell,
      label: `${pairName(pairs[state.pair])}, ${cell.name}: ${title.toLowerCase()} ${format(cell.value)}`,
    }));
  const scale = () => heat(scaled(cells()), { centre, reverse, format, least });
  return figure({
    marks: inLayers.flatMap(({ index }) =>
      pairs.map((_, p) => number(`/tensors/${index}/pairs/${p}/${key}`)),
    ),
    id: `pair-${key.replaceAll("_", "-")}`,
    title: `${title} by layer and role`,
    read,
    formula: lines(formulas[key]),
    legend: () => scale().key(),
    draw: (width) => heatmap(cells(), width, { color: scale().color }),
    values: () => cellValues(cells, title, format)(),
  });
}

const meanSquare = (cosines) => d3.mean(cosines, (c) => c * c);

function angleMap(state, side, title) {
  const ofPair =
    (p) =>
    ({ tensor, index }) => {
      const cosines = tensor.pairs[p]?.angles?.[side];
      return derived(
        cosines?.length ? meanSquare(cosines) : null,
        `mean square of /tensors/${index}/pairs/${p}/angles/${side}`,
      );
    };
  const of = (member) => ofPair(state.pair)(member);
  const join = (members) =>
    derived(
      d3.mean(members, (member) => of(member).value),
      "mean over them",
    );
  const cells = () =>
    layerCells(of, join).map((cell) => {
      const own = inLayers.find(({ tensor }) => tensor.name === cell.name)?.tensor.pairs[state.pair].angles[
        side
      ];
      const list = own ? `; cosines ${own.map(significant).join(", ")}` : "";
      return {
        ...cell,
        label: `${pairName(pairs[state.pair])}, ${cell.name}, ${title.toLowerCase()}: overlap ${percent(cell.value)}${list}`,
      };
    });
  const scale = () => heat(scaled(cells()), { format: percent, least: 0.25 });
  const most = analysis.settings?.angles ?? 8;
  return figure({
    marks: inLayers.flatMap((member) => pairs.map((_, p) => ofPair(p)(member))),
    id: `angles-${side}`,
    title: `Principal angles, ${title.toLowerCase()}`,
    read:
      side === "input"
        ? "do both fine-tunes react to the same inputs? 100 %: the leading input directions of both changes span the same space; 0 %: they are at right angles, and routing by input can tell them apart."
        : "do both fine-tunes write into the same outputs? 100 %: into the same space; 0 %: at right angles, and their sum keeps both.",
    formula: lines(
      `overlap = mean of cos² θ_r over r = 1 … ${most}, θ_r the principal angles between the spaces of the first ${most} ${side === "input" ? "right" : "left"} singular vectors of the two changes (Björck and Golub 1973). Unrelated changes have about ${most} / n, n the dimension.`,
      "The single cosines are in the labels of the cells.",
    ),
    legend: () => scale().key(),
    draw: (width) => heatmap(cells(), width, { color: scale().color }),
    values: () => cellValues(cells, "Mean cos²", percent)(),
  });
}

function agreement() {
  if (!pairs.length) {
    section(
      "between",
      "Between fine-tunes",
      null,
      note("There is one fine-tune here, so there is nothing to compare it with."),
    );
    return;
  }
  const state = { pair: 0 };
  const maps = [
    ...measures.map((measure) => pairMap(state, measure)),
    angleMap(state, "input", "Input directions"),
    angleMap(state, "output", "Output directions"),
  ].filter((map) => map !== null);
  const select = choice("Fine-tunes: ", pairs.map(pairName), (pair) => {
    state.pair = pair;
    for (const map of maps) map.update();
  });
  section(
    "between",
    "Between fine-tunes",
    null,
    pairsTable(),
    pairsByLayer(),
    maps.length
      ? [
          h("h3", { class: "group" }, "Layer by layer, two fine-tunes at a time"),
          pairs.length > 1 ? select : note(pairName(pairs[0])),
          h("div", { class: "grid" }, maps),
        ]
      : null,
  );
}
