// Puts the page of a path or a plane together.

const onPlane = measured.path === "plane";
const degrees = (angle) => `${significant((angle * 180) / Math.PI)}°`;

document.getElementById("title").textContent = onPlane
  ? `The plane through ${modelNames.join(", ")}`
  : `From ${modelNames[0]} to ${modelNames[1]}`;
document
  .getElementById("subject")
  .append(
    {
      line: "Along the line between the models’ weights",
      slerp: "Along the arc between the models’ weights (one angle for all parameters)",
      plane: "On the plane through the models’ weights",
    }[measured.path],
    `; |B − A| = ${significant(measured.distance)}`,
    measured.angle === undefined ? "." : `, at an angle of ${degrees(measured.angle)}.`,
  );

const tasks = [...new Set(measured.panels.map((panel) => panel.task))];
if (!onPlane) section("barriers", "The barrier", null, barrierTable());
tasks.forEach((task, index) => {
  const figures = onPlane
    ? measured.panels.flatMap((panel, p) =>
        panel.task === task
          ? panel.curves.flatMap((_, c) => Object.keys(measures).map((measure) => planeFigure(p, c, measure)))
          : [],
      )
    : Object.keys(measures).map((measure) => pathFigure(task, measure));
  section(
    `task-${index}`,
    task,
    null,
    h(
      "div",
      { class: "grid" },
      figures.filter((each) => each !== null),
    ),
  );
});
if (measured.notes.length)
  section(
    "remarks",
    "Notes",
    null,
    measured.notes.map((words) => note(words)),
  );
theme();
footer("Made by merganser.");
settle();
