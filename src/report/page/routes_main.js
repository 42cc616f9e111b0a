// Tables, and the page put together.

const expertFrom = { given: "as given", name: "by its name", tried: "best when tried" };

function tasksTable() {
  section(
    "tasks",
    "Each task",
    "Own expert: tokens whose best expert is the task’s own, over all layers with experts. Entropy of the shares: 0 where one expert takes all tokens.",
    sortableTable({
      caption: "Each task in a line",
      id: "tasks-table",
      columns: [
        { title: "Task" },
        { title: "Its own expert", wrap: true },
        { title: "Tokens", number: true, format: whole },
        ...experts.map((name) => ({ title: `Share of ${name}`, number: true, format: percent })),
        { title: "Entropy", number: true, format: bits },
        { title: "Own expert", number: true, format: percent },
      ],
      rows: tasks.map((task, t) => [
        task.name,
        `${task.expert} (${expertFrom[task.expert_from] ?? task.expert_from})`,
        number(`/tasks/${t}/tokens`),
        ...experts.map((_, e) => number(`/tasks/${t}/total/shares/${e}`)),
        number(`/tasks/${t}/total/entropy`),
        number(`/tasks/${t}/total/agreement`),
      ]),
    }),
    page.information.mean === null
      ? null
      : note(
          "A choice tells ",
          h("b", { "data-value": page.information.mean, "data-from": "/information/mean" }, bits(page.information.mean)),
          " of the task, in the mean of the layers.",
        ),
  );
}

function layersTable() {
  section(
    "layers",
    "Every layer",
    null,
    sortableTable({
      caption: "Shares by layer and task",
      id: "layers-table",
      most: 300,
      columns: [
        { title: "Layer" },
        { title: "Experts per token", number: true, format: text },
        ...tasks.flatMap((task) => [
          ...experts.map((name) => ({ title: `${task.name}: ${name}`, number: true, format: percent })),
          { title: `${task.name}: own expert`, number: true, format: percent },
        ]),
        ...(information.length ? [{ title: "Information", number: true, format: bits }] : []),
      ],
      rows: page.layers.map((layer, l) => [
        layer.name,
        number(`/layers/${l}/experts_per_token`),
        ...tasks.flatMap((_, t) => [
          ...experts.map((_, e) => number(`/tasks/${t}/layers/${l}/shares/${e}`)),
          number(`/tasks/${t}/layers/${l}/agreement`),
        ]),
        ...(information.length ? [number(`/information/layers/${l}`)] : []),
      ]),
    }),
  );
}

document.title = `${page.model} – routes`;
document
  .getElementById("subject")
  .append(
    "Mixture ",
    h("b", {}, page.model),
    ` of ${experts.length} experts in ${page.layers.length} layers, on the ${page.split} rows of `,
    ...tasks.flatMap((task, t) => [t ? ", " : "", h("b", {}, task.name)]),
    ".",
  );
theme();
tasksTable();
shareMaps();
informationMap();
texts();
layersTable();
if (page.notes.length)
  section(
    "remarks",
    "About this count",
    null,
    h(
      "ul",
      {},
      page.notes.map((remark) => h("li", {}, remark)),
    ),
  );
footer(`Made by merganser ${page.merganser}. Padding is not counted.`);
settle();
