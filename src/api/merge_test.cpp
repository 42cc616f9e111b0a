// What a run leaves for --resume where memory runs short.
#include <atomic>
#include <new>
#include <string>

#include "layout/testing.h"
#include "merganser/merganser.h"
#include "plan/testing.h"

namespace merganser::test {
namespace {

class NoMemory : public Progress {
 public:
  // At the beginning of this stage, or with the so-manieth piece that is read.
  explicit NoMemory(std::string stage) : stage_(std::move(stage)) {}
  explicit NoMemory(int pieces) : pieces_(pieces) {}

  void stage(std::string_view what) override {
    if (what == stage_) throw std::bad_alloc();
  }
  void advance(std::uint64_t /*bytes*/) override {
    if (pieces_-- == 1) throw std::bad_alloc();
  }

 private:
  std::string stage_;
  std::atomic<int> pieces_{0};
};

class OutOfMemory : public ::testing::Test {
 protected:
  OutOfMemory() {
    for (const char* name : {"base", "a", "b"}) bench_.llama_model(name, 2);
  }

  Request request(const std::string& method) const {
    Request request;
    const auto path = [&](const char* name) { return (bench_.path() / name).string(); };
    request.method = method;
    request.base_model = path("base");
    request.models = {path("a"), path("b")};
    request.output = path("out");
    request.threads = 1;
    request.resume = true;
    return request;
  }

  // What the next run takes over of one that `progress` ended.
  MergeReport taken_over(const Request& request, NoMemory progress) const {
    EXPECT_THROW(merge(request, progress), std::bad_alloc);
    EXPECT_FALSE(std::filesystem::exists(request.output));
    Progress quiet;
    return merge(request, quiet);
  }

  Bench bench_;
};

TEST_F(OutOfMemory, KeepsTensors) {
  const Request whole = request("task_arithmetic");
  const MergeReport report = taken_over(whole, NoMemory("writing to disk"));
  EXPECT_GT(report.tensors, 5u);
  EXPECT_EQ(report.resumed_tensors, report.tensors);
  std::filesystem::remove_all(whole.output);
  const MergeReport some = taken_over(whole, NoMemory(12));
  EXPECT_GT(some.resumed_tensors, 0u);
  EXPECT_LT(some.resumed_tensors, some.tensors);
}

TEST_F(OutOfMemory, KeepsExperts) {
  const MergeReport report = taken_over(request("smile"), NoMemory("merging"));
  EXPECT_EQ(report.resumed_layers, 4u);
  EXPECT_EQ(report.resumed_tensors, 0u);
}

TEST_F(OutOfMemory, WithoutResumeNothingStays) {
  Request request = this->request("task_arithmetic");
  request.resume = false;
  NoMemory progress("writing to disk");
  EXPECT_THROW(merge(request, progress), std::bad_alloc);
  EXPECT_EQ(names_in(bench_.path()).size(), 3u) << "the models alone";
}

}  // namespace
}  // namespace merganser::test
