// The document of `merganser route`.

const page = contents;

const bits = (value) => (value === null || value === undefined ? absent : `${significant(value)} bits`);
const experts = page.experts;
const tasks = page.tasks;
const own = tasks.map((task) => experts.indexOf(task.expert));
const even = 1 / experts.length;
const information = page.information.layers;

// Layers inside numbered blocks make maps; others stand in the table alone. They come in the order in
// which a token meets them.
const inBlocks = page.layers
  .map((layer, index) => ({ layer, index }))
  .filter(({ layer }) => layer.block !== null);
const blocks = [...new Set(inBlocks.map(({ layer }) => layer.block))].sort(d3.ascending);
const roles = [...new Set(inBlocks.map(({ layer }) => layer.role))];
