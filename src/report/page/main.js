// Puts the page together.

function footer() {
  const settings = analysis.settings ?? {};
  const said = Object.entries(settings)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
    .join(", ");
  document
    .getElementById("footer")
    .append(
      h(
        "p",
        {},
        `Made by merganser ${analysis.merganser}, document schema ${analysis.schema}. Settings: ${said}.`,
      ),
      h(
        "p",
        {},
        "Every number is from the document within this page, or worked out from it as the formulas say. The page loads nothing.",
      ),
      licences(),
    );
}

theme();
summary();
whereItIs();
spectra();
agreement();
losses();
tensorsTable();
remarks();
footer();
redrawWhereWidthChanged();
keepFitting();

document.documentElement.dataset.ready = "yes";
