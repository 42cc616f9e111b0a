// What stands first: the advice in words, and each fine-tune in a line.

const topics = {
  base: "The base",
  location: "Where it changed",
  conflict: "Conflict",
  rank: "Rank",
  method: "Methods",
  smile: "SMILE",
  caution: "Keep in mind",
};
const levels = ["info", "note", "warning"];
const levelNames = { note: "Note", warning: "Warning" };

// A card for each topic; its edge has the colour of the gravest sentence in it.
function adviceCard([topic, entries]) {
  const gravest = d3.greatest(entries, (entry) => levels.indexOf(entry.level)).level;
  const numbers = entries.flatMap((entry) => numbersOf(entry) ?? []);
  return h(
    "li",
    { class: gravest },
    h("h3", {}, topics[topic] ?? topic),
    h(
      "div",
      {},
      entries.map((entry) =>
        h(
          "p",
          {},
          entry.level in levelNames
            ? h("span", { class: `level ${entry.level}` }, levelNames[entry.level])
            : null,
          unbroken(entry.text),
        ),
      ),
      numbers.length ? h("details", {}, h("summary", {}, "Numbers behind it"), numbers) : null,
    ),
  );
}

function advice() {
  const entries = analysis.advice ?? [];
  if (!entries.length) return;
  section(
    "advice",
    "In words",
    "What the weights alone suggest. They do not say how good a merge will be: measure it.",
    h("ul", { class: "advice" }, d3.groups(entries, (entry) => entry.topic).map(adviceCard)),
  );
}

// What the analysis itself has to say: what it could not look at, and why.
function remarks() {
  const said = analysis.notes ?? [];
  if (said.length)
    section(
      "remarks",
      "About this analysis",
      null,
      h(
        "ul",
        {},
        said.map((remark) => h("li", {}, remark)),
      ),
    );
}

function numbersOf(entry) {
  const numbers = Object.entries(entry.numbers ?? {});
  if (!numbers.length) return null;
  return h(
    "p",
    { class: "chips" },
    numbers.map(([name, value]) =>
      h(
        "span",
        {},
        `${name.replaceAll("_", " ")} `,
        h("b", {}, typeof value === "number" ? significant(value) : text(value)),
      ),
    ),
  );
}

// Beyond what was looked at there is no number, but it is more than any.
function rankCell(i) {
  const rank = analysis.models[i].rank_90;
  if (rank && rank.median === null && rank.matrices > 0)
    return { value: Infinity, text: `more than ${analysis.settings.rank}` };
  return number(`/models/${i}/rank_90/median`);
}

function summaryRow(model, i) {
  const index = (analysis.parts ?? []).findIndex((part) => part.part === "linear");
  const linear = index < 0 ? derived(null, "") : number(`/parts/${index}/changes/${i}/share`);
  const most = d3.greatest(
    layers.map((layer, l) => ({ layer, ...number(`/layers/${l}/changes/${i}/relative`) })),
    (d) => d.value,
  );
  const nearest = d3.greatest(
    pairs
      .map((pair, p) => ({ pair, ...number(`/total/pairs/${p}/cosine`) }))
      .filter(({ pair, value }) => pair.includes(i) && value !== null),
    (d) => d.value,
  );
  const best = d3.least(
    methods
      .map((method, m) => ({ method, ...number(`/total/losses/${m}/${i}`) }))
      .filter((d) => d.value !== null && d.method.name !== "smile"),
    (d) => d.value,
  );
  return [
    model,
    analysis.models[i].kind === "lora" ? "LoRA" : "full",
    number(`/total/changes/${i}/relative`),
    linear,
    derived(linear.value === null ? null : 1 - linear.value, `1 - linear share of model ${i}`),
    most?.value > 0 ? { value: most.layer, text: `${most.layer} (${percent(most.value)})` } : null,
    rankCell(i),
    ...(pairs.length
      ? [
          nearest
            ? {
                value: nearest.value,
                text: `${models[nearest.pair[0] === i ? nearest.pair[1] : nearest.pair[0]]} (${significant(nearest.value)})`,
              }
            : null,
        ]
      : []),
    ...(methods.length
      ? [best ? { value: best.value, text: `${best.method.label} (${percent(best.value)})` } : null]
      : []),
  ];
}

function summary() {
  const base = analysis.base?.name ?? "the base";
  document.title = `${models.join(", ")} – analysis`;
  document.getElementById("title").textContent =
    models.length === 1 ? "What the fine-tune changed" : "What the fine-tunes changed, and where they meet";
  document
    .getElementById("subject")
    .append(
      "Base ",
      h("b", {}, base),
      ` (${large(analysis.total.elements)} parameters), fine-tuned into `,
      ...models.flatMap((model, i) => [i ? ", " : "", h("b", {}, model)]),
      ". A fine-tune's change, or task vector, is D = W − W₀: its weights minus the base's.",
    );
  advice();
  const columns = [
    { title: "Fine-tune" },
    { title: "Kind" },
    { title: "Change", number: true, format: percent },
    { title: "in linear layers", number: true, format: percent },
    { title: "elsewhere", number: true, format: percent },
    { title: "Most changed layer", number: true },
    { title: "Rank for 90 %", number: true, format: significant },
    ...(pairs.length ? [{ title: "Most similar to (cosine)", number: true, wrap: true }] : []),
    ...(methods.length ? [{ title: "Nearest single merge (error)", number: true, wrap: true }] : []),
  ];
  section(
    "summary",
    "Each fine-tune",
    "Change is the size of the change relative to the base’s weights. In linear layers is the share of it (of its squared norm) in the matrices of the repeated blocks, elsewhere that in embeddings, output head, norms and biases, of which LoRA adapters carry nothing as a rule and SMILE’s experts the biases alone. Rank for 90 % is the median, over those matrices, of the rank that holds 90 % of a change.",
    sortableTable({
      caption: "Each fine-tune in a line",
      columns,
      rows: models.map(summaryRow),
      id: "summary-table",
    }),
  );
}
