// merganser: merges fine-tuned checkpoints.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>

#include "commands.h"
#include "merganser/merganser.h"
#include "terminal.h"

namespace {

constexpr int kBadInput = 2;
constexpr int kInterrupted = 130;  // 128 + SIGINT, as shells report it

int fail(const std::string& what) {
  fmt::print(stderr, "error: {}\n", merganser::cli::safe(what));
  return kBadInput;
}

// CLI11's messages can be several lines.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Merges fine-tuned checkpoints of one base model into one model.", "merganser"};
  app.set_version_flag("--version",
                       "merganser " + merganser::version() + " (" + merganser::simd_target() + ")");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  merganser::cli::Run run;
  merganser::cli::add_merge(app, run);
  merganser::cli::add_plan(app, run);
  merganser::cli::add_materialise(app, run);
  merganser::cli::add_replay(app, run);
  merganser::cli::add_verify(app, run);
  merganser::cli::add_methods(app, run);
  merganser::cli::add_inspect(app, run);
  merganser::cli::add_diff(app, run);
  merganser::cli::add_analyze(app, run);
  merganser::cli::add_evaluate(app, run);
  merganser::cli::add_generate(app, run);
  merganser::cli::add_logits(app, run);
  merganser::cli::add_train(app, run);
  merganser::cli::add_fit_head(app, run);
  merganser::cli::add_route(app, run);
  merganser::cli::add_barrier(app, run);
  merganser::cli::add_tune(app, run);
  merganser::cli::add_soup(app, run);
  merganser::cli::add_extract_lora(app, run);
  merganser::cli::add_merge_lora(app, run);
  merganser::cli::add_shell_texts(app, run);
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);  // --help, --version
  } catch (const CLI::ParseError& error) {
    return fail(one_line(error.what()) + "; see merganser --help");
  } catch (const merganser::Error& error) {
    if (error.kind() == merganser::ErrorKind::interrupted) {
      const bool kept = error.message() != "interrupted";
      fmt::print(stderr, "{}\n", kept ? error.what() : "interrupted: nothing was written");
      return kInterrupted;
    }
    return fail(error.what());
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& error) {
    return fail(one_line(error.what()));
  }
}
