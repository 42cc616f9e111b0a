#include "execute/schedule.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "plan/testing.h"

namespace merganser::test {
namespace {

struct Log {
  std::mutex mutex;
  std::vector<std::string> events;
  std::atomic<int> alive{0}, most_alive{0};
  void add(std::string event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
  }
};

// Counts; merges nothing.
class CountingGroup final : public Group {
 public:
  CountingGroup(const RunContext& context, Log& log, std::size_t number,
                std::vector<std::size_t> chunks, int phases)
      : Group(context, std::vector<std::size_t>(chunks.size())),
        log_(log),
        number_(number),
        chunks_(std::move(chunks)),
        done_(chunks_.size()),
        phases_(phases) {
    const int now = ++log_.alive;
    int most = log_.most_alive;
    while (now > most && !log_.most_alive.compare_exchange_weak(most, now)) {
    }
  }
  ~CountingGroup() override { --log_.alive; }

  std::size_t chunks(std::size_t tensor) const override { return chunks_[tensor]; }
  std::size_t chunk_elements(std::size_t) const override { return 1; }
  bool writing() const override { return false; }
  void run_chunk(std::size_t tensor, std::size_t, Workspace&) override { ++done_[tensor]; }
  void finish_tensor(std::size_t tensor) override {
    EXPECT_EQ(done_[tensor], chunks_[tensor]);
    ++finished_;
  }
  bool next_phase() override {
    EXPECT_EQ(finished_, chunks_.size());
    finished_ = 0;
    for (auto& done : done_) done = 0;
    log_.add(std::to_string(number_));
    return --phases_ > 0;
  }

 private:
  Log& log_;
  std::size_t number_;
  std::vector<std::size_t> chunks_;
  std::vector<std::atomic<std::size_t>> done_;
  std::atomic<std::size_t> finished_{0};
  int phases_;
};

class Scheduling : public ::testing::Test {
 protected:
  Scheduling() : sink(plan), context{plan, budget, options, sink, progress, {}, report, mutex} {}

  std::unique_ptr<Group> make(std::size_t number) {
    return std::make_unique<CountingGroup>(context, log, number,
                                           std::vector<std::size_t>{1 + number % 3, 2},
                                           1 + static_cast<int>(number % 4));
  }

  Plan plan;
  Budget budget;
  EngineOptions options;
  MemorySink sink;
  Progress progress;
  EngineReport report;
  std::mutex mutex;
  RunContext context;
  Log log;
};

TEST_F(Scheduling, OneWorkerTakesGroupsInOrder) {
  Schedule schedule(4, 2, [&](std::size_t g) { return make(g); });
  Workspace workspace;
  std::size_t items = 0;
  while (const auto item = schedule.next({})) {
    item->run(workspace);
    schedule.done(*item);
    ++items;
  }
  // Phases x (chunks of both tensors): 1 x 3, 2 x 4, 3 x 5, 4 x 3.
  EXPECT_EQ(items, 3u + 8 + 15 + 12);
  EXPECT_EQ(log.events,
            (std::vector<std::string>{"0", "1", "1", "2", "2", "2", "3", "3", "3", "3"}));
  EXPECT_EQ(log.alive, 0);
}

TEST_F(Scheduling, ManyWorkersDoEveryPhaseOnce) {
  const std::size_t window = 5, groups = 60;
  Schedule schedule(groups, window, [&](std::size_t g) { return make(g); });
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i) {
    workers.emplace_back([&] {
      Workspace workspace;
      while (const auto item = schedule.next({})) {
        item->run(workspace);
        schedule.done(*item);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::map<std::string, std::size_t> phases;
  for (const std::string& event : log.events) ++phases[event];
  for (std::size_t g = 0; g < groups; ++g) EXPECT_EQ(phases[std::to_string(g)], 1 + g % 4);
  EXPECT_LE(log.most_alive, static_cast<int>(window));
  EXPECT_EQ(log.alive, 0);
}

// Another worker may ask before it hears that the run has failed.
TEST_F(Scheduling, SurvivesAGroupThatCannotBeMade) {
  Schedule schedule(3, 3, [&](std::size_t g) {
    if (g == 1) throw Error(ErrorKind::recipe, "refused");
    return make(g);
  });
  Workspace workspace;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(schedule.next({}));
  EXPECT_TRUE(error_of([&] { schedule.next({}); }));
  const auto item = schedule.next({});
  ASSERT_TRUE(item);
  item->run(workspace);
}

TEST_F(Scheduling, GivesNothingOnceStopped) {
  Schedule schedule(1, 1, [&](std::size_t g) { return make(g); });
  std::stop_source stop;
  ASSERT_TRUE(schedule.next(stop.get_token()));
  std::thread waiting([&] {
    while (schedule.next(stop.get_token())) {  // takes the rest, then waits for what is not done
    }
  });
  stop.request_stop();
  waiting.join();
  EXPECT_FALSE(schedule.next(stop.get_token()));
}

}  // namespace
}  // namespace merganser::test
