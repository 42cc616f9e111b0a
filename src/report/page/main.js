// Puts the page of an analysis together.

function settings() {
  const said = Object.entries(analysis.settings ?? {})
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
    .join(", ");
  return `Made by merganser ${analysis.merganser}, document schema ${analysis.schema}. Settings: ${said}.`;
}

theme();
summary();
whereItIs();
spectra();
agreement();
losses();
tensorsTable();
remarks();
footer(settings());
settle();
