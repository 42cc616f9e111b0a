// Maps of the shares, and a text token by token.

// Cells of a map block x role. Where an encoder and a decoder have layers of one number and role, the
// first stands for both.
function routeCells(of) {
  const cells = [];
  for (const role of roles) {
    for (const block of blocks) {
      const found = inBlocks.find(({ layer }) => layer.role === role && layer.block === block);
      if (found) cells.push({ x: block, y: role, name: found.layer.name, ...of(found.index) });
    }
  }
  return cells.filter((cell) => cell.value !== null);
}

const mapValues = (cells, what, format) => () => ({
  columns: [
    { title: "Layer" },
    { title: "Block", number: true, format: text },
    { title: what, number: true, format },
  ],
  rows: cells().map((cell) => [cell.name, cell.x, { value: cell.value, from: cell.from }]),
});

// Share of one expert by block and role; which expert is chosen above the maps. -1: each task's own.
const chosenExpert = { index: -1 };
const expertOf = (t) => (chosenExpert.index < 0 ? own[t] : chosenExpert.index);
const shareTitle = (t) => `${tasks[t].name}: share of ${experts[expertOf(t)]}`;

function shareCells(t) {
  const expert = expertOf(t);
  return routeCells((l) => {
    const share = number(`/tasks/${t}/layers/${l}/shares/${expert}`);
    return {
      ...share,
      label: `${tasks[t].name}, ${page.layers[l].name}: ${percent(share.value)} of the choices are ${experts[expert]}`,
    };
  });
}

function shareMaps() {
  if (!inBlocks.length) return;
  // One scale for all maps and experts, so that they can be compared; few hundredths mean little.
  const values = tasks.flatMap((task) => task.layers.flatMap((layer) => layer.shares));
  const scale = heat(values, { centre: even, format: percent, least: 0.02 });
  const maps = tasks.map((_, t) =>
    figure({
      id: `shares-${t}`,
      title: shareTitle(t),
      read: `each cell is one layer with experts, a block down its column, a kind of layer along its row. Blue: the routers choose this expert for more tokens than an even share, ${percent(even)}; red: for fewer.`,
      legend: scale.key,
      draw: (width) =>
        heatmap(shareCells(t), width, { color: scale.color, xLabel: "block", xDomain: blocks }),
      values: mapValues(() => shareCells(t), "Share", percent),
    }),
  );
  const select = choice("Expert: ", ["each task’s own", ...experts], (index) => {
    chosenExpert.index = index - 1;
    maps.forEach((map, t) => map.update({ title: shareTitle(t) }));
  });
  section(
    "shares",
    "Where each expert is chosen",
    "Routers that know a task choose its own expert in most layers.",
    select,
    h("div", { class: "wide-grid" }, maps),
  );
}

function informationMap() {
  if (!information.length || !inBlocks.length) return;
  const cells = routeCells((l) => {
    const value = number(`/information/layers/${l}`);
    return { ...value, label: `${page.layers[l].name}: a choice tells ${bits(value.value)} of the task` };
  });
  const scale = heat(cells.map((cell) => cell.value), { format: bits, least: 0.02 });
  section(
    "information",
    "Whether the routers know the tasks apart",
    null,
    figure({
      id: "information-map",
      title: "What a choice tells of the task",
      read: "0 is a layer that chooses alike whatever the task: its router cannot be of use. The stronger the colour, the more its choices differ between the tasks.",
      formula: lines(
        "I = H(mean of the tasks’ shares) − mean of H(a task’s shares),  H(p) = − Σ p log₂ p: the Jensen–Shannon divergence.",
        `At most log₂ of the number of tasks or of experts, whichever is less: ${significant(Math.log2(Math.min(tasks.length, experts.length)))} here.`,
      ),
      legend: scale.key,
      marks: cells,
      draw: (width) => heatmap(cells, width, { color: scale.color, xLabel: "block", xDomain: blocks }),
      values: mapValues(() => cells, "Information in bits", significant),
    }),
  );
}

// The experts that the first text's tokens meet in the layers of one role, block by block.
const chosenRole = { index: 0 };

function textCells(t) {
  const { ids, experts: chosen } = tasks[t].text;
  return inBlocks
    .filter(({ layer }) => layer.role === roles[chosenRole.index])
    .sort((a, b) => a.layer.block - b.layer.block)
    .flatMap(({ layer, index }) =>
      chosen[index].map((_, i) => {
        const value = number(`/tasks/${t}/text/experts/${index}/${i}`);
        return {
          ...value,
          x: i,
          y: `block ${layer.block}`,
          name: layer.name,
          label: `token ${i} (id ${ids[i]}), ${layer.name}: ${experts[value.value]}`,
        };
      }),
    );
}

function texts() {
  const known = tasks.map((task, t) => t).filter((t) => tasks[t].text.experts.some((row) => row.length));
  if (!known.length) return;
  const title = (t) => `${tasks[t].name}: ${roles[chosenRole.index]}`;
  const strips = known.map((t) =>
    figure({
      id: `text-${t}`,
      title: title(t),
      read: `the first text’s tokens from left to right, a row for each block; the colour is the expert that a token meets there. The task’s own is ${tasks[t].expert}.`,
      legend: () => seriesKey(experts),
      draw: (width) =>
        heatmap(textCells(t), width, {
          color: seriesColor,
          xLabel: "token",
          xDomain: d3.range(tasks[t].text.ids.length),
        }),
      values: () => ({
        columns: [
          { title: "Token", number: true, format: text },
          { title: "Id", number: true, format: text },
          { title: "Layer" },
          { title: "Expert" },
        ],
        rows: textCells(t).map((cell) => [
          { value: cell.x, text: `${cell.x}` },
          { value: tasks[t].text.ids[cell.x], text: `${tasks[t].text.ids[cell.x]}` },
          cell.name,
          experts[cell.value],
        ]),
      }),
    }),
  );
  const select = choice("Layers: ", roles, (index) => {
    chosenRole.index = index;
    strips.forEach((strip, i) => strip.update({ title: title(known[i]) }));
  });
  section(
    "texts",
    "One text, token by token",
    "Each layer chooses on its own: a token may meet one fine-tune’s layer after another’s.",
    select,
    strips,
  );
}
