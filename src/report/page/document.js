// The document of an analysis.

const analysis = contents;
const models = analysis.models.map((model) => model.name);
const pairs = models.flatMap((a, i) => models.slice(i + 1).map((b, j) => [i, i + 1 + j]));
const pairName = ([i, j]) => `${models[i]} and ${models[j]}`;
const methods = analysis.methods ?? [];

// Roles in the order in which a token passes them, whatever their spelling; norms and biases last.
const roleOrder = [
  /q(uery)?([._]|$)/,
  /k(ey)?([._]|$)/,
  /v(alue)?([._]|$)/,
  /(attn|attention|self).*(o|out|output)|^o([._]|$)/,
  /gate/,
  /up|fc1|intermediate|wi|c_fc/,
  /down|fc2|output|wo|c_proj/,
];
function roleRank(role) {
  const last = /norm|ln_|layer_?norm/i.test(role) ? 100 : /bias/.test(role) ? 200 : 0;
  const found = roleOrder.findIndex((pattern) => pattern.test(role.replace(/^attention\.|^mlp\./, "")));
  const group = /attention|attn|(^|[._])[qkvo](_proj|[._]|$)/.test(role) ? 0 : 20;
  return last + (found < 0 ? 50 : group + found);
}
const byRole = (a, b) => roleRank(a) - roleRank(b) || (a < b ? -1 : 1);
const shortRole = (role) => role.replace(/\.weight$/, "");

// The number of a layer, or, where several modules have layers, its name: "encoder 3".
const layerOf = (entry) => (entry.module ? `${entry.module} ${entry.layer}` : (entry.layer ?? null));
const layers = (analysis.layers ?? []).map(layerOf);
const moduleOf = (l) => analysis.layers[l].module ?? "";
const inLayers = analysis.tensors
  .map((tensor, index) => ({ tensor, index }))
  .filter(({ tensor }) => tensor.layer !== null && tensor.layer !== undefined);
const outside = analysis.tensors
  .map((tensor, index) => ({ tensor, index }))
  .filter(({ tensor }) => tensor.layer === null || tensor.layer === undefined);

// Cells of a map layer x role. `of({tensor, index})` gives a tensor's number, null where it has none;
// `join(members)` that of several tensors in one cell (experts).
function layerCells(of, join) {
  const groups = d3.group(
    inLayers,
    ({ tensor }) => tensor.role,
    ({ tensor }) => layerOf(tensor),
  );
  const cells = [];
  for (const role of [...groups.keys()].sort(byRole)) {
    for (const [layer, members] of groups.get(role)) {
      const known = members.filter((member) => of(member).value !== null);
      if (!known.length) continue;
      const one = known.length === 1;
      const name = one ? known[0].tensor.name : `${known.length} tensors ${role}`;
      cells.push({
        x: layer,
        y: shortRole(role),
        name,
        part: known[0].tensor.part,
        ...(one ? of(known[0]) : join(known)),
      });
    }
  }
  return cells;
}
