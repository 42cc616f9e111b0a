// Every tensor, with the figure that is chosen.

function tensorFigures() {
  const perModel = (title, of, format = significant) => ({
    title,
    format,
    columns: models,
    cell: (index, i) => number(`/tensors/${index}/changes/${i}/${of}`),
  });
  const perPair = ({ key, title, format }) => ({
    title,
    format,
    columns: pairs.map(pairName),
    cell: (index, p) => number(`/tensors/${index}/pairs/${p}/${key}`),
  });
  return [
    perModel("Relative change", "relative", percent),
    perModel("Norm of the change", "norm"),
    perModel("Largest changed element", "max"),
    perModel("Share of elements that changed", "changed_share", percent),
    perModel("Rank for 90 % of the change", "spectrum/rank_90"),
    perModel("Effective rank", "spectrum/effective_rank"),
    perModel("Stable rank", "spectrum/stable_rank"),
    ...["I", "II", "II_III"].map((zone) => perModel(`Share in ${zoneNames[zone]}`, `zones/${zone}`, percent)),
    ...(pairs.length ? measures.map(perPair) : []),
    ...methods.map((method, m) => ({
      title: `Error by ${method.label ?? method.name}`,
      format: percent,
      columns: models,
      cell: (index, i) => number(`/tensors/${index}/losses/${m}/${i}`),
    })),
  ];
}

function tensorsTable() {
  const figures = tensorFigures();
  const state = { figure: 0, filter: "" };
  const place = h("div");
  function fill() {
    const { title, format, columns, cell } = figures[state.figure];
    const rows = analysis.tensors
      .map((tensor, index) => ({ tensor, index }))
      .filter(({ tensor }) => tensor.name.includes(state.filter));
    const scale = heat(
      rows.flatMap(({ index }) => columns.map((_, i) => cell(index, i).value)),
      { format },
    );
    place.replaceChildren(
      sortableTable({
        caption: `${title} of ${rows.length} of ${analysis.tensors.length} tensors`,
        id: "tensors-table",
        most: 300,
        columns: [
          { title: "Tensor" },
          { title: "Layer", number: true, format: text },
          { title: "Part" },
          { title: "Shape" },
          { title: "Type" },
          { title: "Elements", number: true, format: large },
          ...columns.map((column) => ({ title: column, number: true, format })),
        ],
        rows: rows.map(({ tensor, index }) => [
          tensor.name,
          layerOf(tensor),
          tensor.part,
          tensor.shape.join(" × ") || "scalar",
          tensor.dtype,
          tensor.elements,
          ...columns.map((_, i) => shaded(cell(index, i), scale)),
        ]),
      }),
    );
  }
  const leftOut = analysis.left_out ?? [];
  const filter = h("input", {
    type: "search",
    id: "filter",
    placeholder: "part of a name",
    oninput: () => {
      state.filter = filter.value;
      fill();
    },
  });
  fill();
  section(
    "tensors",
    "Every tensor",
    "The heads of the columns sort.",
    h(
      "div",
      { class: "controls" },
      choice(
        "Figure: ",
        figures.map(({ title }) => title),
        (index) => {
          state.figure = index;
          fill();
        },
      ),
      h("p", { class: "choice" }, h("label", { for: "filter" }, "Tensor: "), filter),
    ),
    place,
    leftOut.length ? h("h3", { class: "group" }, "Not compared") : null,
    leftOut.length
      ? sortableTable({
          caption: "Tensors that are not in every model, or not in the same shape",
          id: "left-out-table",
          columns: [{ title: "Tensor" }, { title: "Model" }, { title: "Reason" }],
          rows: leftOut.map((entry) => [entry.tensor, entry.model, entry.reason]),
        })
      : null,
  );
}
