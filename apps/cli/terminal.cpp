#include "terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "merganser/error.h"

namespace merganser::cli {
namespace {

// Bytes of a cell that others are padded to. Beyond it a single hostile name would make every row
// as long as itself.
constexpr std::size_t kWidest = 200;

std::string scaled(double value, double step, std::initializer_list<const char*> units) {
  auto unit = units.begin();
  while (value >= step - 0.5 && unit + 1 != units.end()) {
    value /= step;
    ++unit;
  }
  if (unit == units.begin()) return fmt::format("{:.0f}{}", value, *unit);
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, *unit);
}

std::atomic<Progress*> watched{nullptr};

extern "C" void on_signal(int) {
  if (Progress* progress = watched.load()) progress->stop();
}

void catch_signals(bool on) {
  struct sigaction action = {};
  if (on) {
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the process
  } else {
    action.sa_handler = SIG_DFL;
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1000, {" B", " kB", " MB", " GB", " TB", " PB"});
}

std::string count_text(std::uint64_t count) {
  return scaled(static_cast<double>(count), 1000, {"", " k", " M", " B", " T"});
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string safe(std::string_view text) {
  // An Error's text is what the library itself says of hostile names.
  return Error(ErrorKind::usage, std::string(text)).what();
}

Table::Table(std::vector<std::string> header, std::vector<std::size_t> right)
    : right_(std::move(right)) {
  rows_.push_back(std::move(header));
}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], std::min(row[i].size(), kWidest));
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool right = std::find(right_.begin(), right_.end(), i) != right_.end();
      line += right ? fmt::format("{:>{}}", row[i], widths[i])
                    : fmt::format("{:<{}}", row[i], widths[i]);
      if (i + 1 < row.size()) line += "  ";
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

struct Watch::State {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::string stage = "reading headers";
  std::atomic<std::uint64_t> total{0}, done{0};
  std::atomic<ProgressUnit> unit{ProgressUnit::bytes};
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();

  std::string line() {
    std::string what;
    std::chrono::steady_clock::time_point since;
    {
      std::lock_guard lock(mutex);
      what = stage;
      since = started;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    const std::uint64_t all = total, now = std::min(done.load(), all);
    if (all == 0) return what;
    const double share = static_cast<double>(now) / static_cast<double>(all);
    const auto filled = static_cast<std::size_t>(share * 24);
    std::string bar = std::string(filled, '#') + std::string(24 - filled, '.');
    std::string line = fmt::format(
        "{} [{}] {:3.0f} %  {} of {}", what, bar, share * 100,
        unit == ProgressUnit::bytes ? bytes_text(now) : fmt::to_string(now), amount(all));
    if (seconds > 0.5 && now > 0) {
      const double rate = static_cast<double>(now) / seconds;
      line += fmt::format("  {}/s  {:.0f} s left", amount(static_cast<std::uint64_t>(rate)),
                          static_cast<double>(all - now) / rate);
    }
    return line;
  }

 private:
  std::string amount(std::uint64_t count) const {
    switch (unit.load()) {
      case ProgressUnit::rows:
        return fmt::format("{} rows", count);
      case ProgressUnit::tokens:
        return fmt::format("{} tokens", count);
      case ProgressUnit::bytes:
        break;
    }
    return bytes_text(count);
  }
};

Watch::Watch(bool shown) : state_(std::make_unique<State>()) {
  watched = this;
  catch_signals(true);
  if (!shown || isatty(STDERR_FILENO) == 0) return;
  painter_ = std::jthread([this](std::stop_token stop) {
    std::mutex idle;
    std::unique_lock lock(idle);
    while (!stop.stop_requested()) {
      std::fputs(("\r\x1b[K" + state_->line()).c_str(), stderr);
      std::fflush(stderr);
      state_->changed.wait_for(lock, stop, std::chrono::milliseconds(100), [] { return false; });
    }
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
  });
}

Watch::~Watch() {
  finish();
  watched = nullptr;
  catch_signals(false);
}

void Watch::begin(std::uint64_t total, ProgressUnit unit) {
  {
    std::lock_guard lock(state_->mutex);
    state_->started = std::chrono::steady_clock::now();
  }
  state_->unit = unit;
  state_->done = 0;
  state_->total = total;
}
void Watch::advance(std::uint64_t more) { state_->done += more; }

void Watch::stage(std::string_view what) {
  std::lock_guard lock(state_->mutex);
  state_->stage = what;
}

void Watch::finish() {
  if (!painter_.joinable()) return;
  painter_.request_stop();
  painter_.join();
}

}  // namespace merganser::cli
