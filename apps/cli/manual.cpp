#include <fmt/format.h>

#include "synopsis.h"

namespace merganser::cli {
namespace {

// Text for roff: hyphens stay hyphens that can be copied, no line begins a request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return fmt::format("\\fB{}\\fR", roff(text)); }
std::string italic(std::string_view text) { return fmt::format("\\fI{}\\fR", roff(text)); }

std::string argument_text(const OptionText& argument) {
  std::string text = italic(argument.names.front());
  if (argument.many) text += " ...";
  return argument.required ? text : fmt::format("[{}]", text);
}

std::string sentence(const OptionText& option) {
  std::string text = roff(option.description);
  const bool listed = !option.choices.empty() && option.value != "METHOD";
  if (listed) {
    std::string choices;
    for (const std::string& choice : option.choices) {
      choices += (choices.empty() ? "" : ", ") + bold(choice);
    }
    text += ": " + choices;
  }
  if (!option.fallback.empty()) text += " (default " + roff(option.fallback) + ")";
  return text + ".";
}

std::string option_text(const OptionText& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "" : ", ") + bold(name);
  }
  if (!option.value.empty()) names += " " + italic(option.value);
  return ".TP\n" + names + "\n" + sentence(option) + "\n";
}

std::string command_text(const ProgramText& program, const CommandText& command) {
  std::string text = fmt::format(".SS {}\n{} {} [{}]", roff(command.name), bold(program.name),
                                 bold(command.name), italic("OPTION") + " ...");
  for (const OptionText& argument : command.arguments) {
    text += fmt::format(" {}", argument_text(argument));
  }
  text += "\n.PP\n" + roff(command.description) + ".\n";
  for (const OptionText& argument : command.arguments) {
    text += ".TP\n" + italic(argument.names.front()) + "\n" + sentence(argument) + "\n";
  }
  for (const OptionText& option : command.options) text += option_text(option);
  if (!command.footer.empty()) text += ".PP\n.nf\n" + roff(command.footer) + "\n.fi\n";
  return text;
}

constexpr const char* kDescription = R"(Checkpoints are folders in the Hugging Face layout,
single safetensors files, PyTorch archives, or names of the hub (org/name@revision) that are in its
local cache; MODEL+ADAPTER is a model with a LoRA adapter on it. Nothing is downloaded. What is merged, and how, is said by a recipe in
MergeKit's YAML schema or, for the common cases, by options. The output appears under its name only
when it is whole, with a provenance file that names every input of every tensor.)";

constexpr const char* kEnd = R"(.SH EXIT STATUS
.TP
.B 0
Done; of diff and replay: the same.
.TP
.B 1
Of diff and replay: something differs.
.TP
.B 2
The command line, the recipe or an input is at fault; one line on standard error says where.
.TP
.B 130
Interrupted; nothing was written.
.SH FILES
.TP
.I merganser_recipe.yml
In an output: the recipe that made it.
.TP
.I merganser_provenance.json
In an output: inputs, settings and hashes of every tensor; read by replay.
)";

}  // namespace

std::string manual_page(const ProgramText& program) {
  std::string text = fmt::format(".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n", "MERGANSER",
                                 program.name, roff(program.version));
  std::string summary = program.description;
  if (summary.ends_with('.')) summary.pop_back();
  summary[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(summary[0])));
  text += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", program.name, roff(summary));
  for (const CommandText& command : program.commands) {
    text += fmt::format("{} {} [{} ...]", bold(program.name), bold(command.name), italic("OPTION"));
    for (const OptionText& argument : command.arguments) {
      text += fmt::format(" {}", argument_text(argument));
    }
    text += "\n.br\n";
  }
  text.erase(text.size() - 4);
  text += ".SH DESCRIPTION\n" + roff(kDescription) + "\n.SH OPTIONS\n";
  for (const OptionText& option : program.options) text += option_text(option);
  text += ".SH COMMANDS\n";
  for (const CommandText& command : program.commands) text += command_text(program, command);
  return text + kEnd;
}

}  // namespace merganser::cli
