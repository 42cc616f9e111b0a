#include "execute/document_source.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <utility>

namespace merganser {

// What a thread's current chunk goes to.
class DocumentSource::Capture final : public Sink {
 public:
  struct Target {
    std::byte* data = nullptr;
    std::uint64_t begin = 0;  // of the chunk in its tensor, in bytes
  };

  // Nests: reading a chunk's inputs may compute chunks of another document.
  class Scope {
   public:
    explicit Scope(Target target) : before_(std::exchange(current(), target)) {}
    ~Scope() { current() = before_; }
    Scope(const Scope&) = delete;

   private:
    Target before_;
  };

  void write(std::size_t, std::uint64_t begin, std::span<const std::byte> bytes) override {
    const Target& target = current();
    if (!bytes.empty())
      std::memcpy(target.data + (begin - target.begin), bytes.data(), bytes.size());
  }

 private:
  static Target& current() {
    thread_local Target target;
    return target;
  }
};

// A tensor's bytes, filled chunk by chunk by whoever needs one first.
struct DocumentSource::Held {
  enum class State : unsigned char { missing, underway, there };

  Held(std::uint64_t bytes, std::size_t chunks) : data(bytes), states(chunks, State::missing) {}

  // Runs `fill` unless the chunk is there or on its way; then waits for it.
  template <class Fill>
  void ensure(std::size_t chunk, Fill fill) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return states[chunk] != State::underway; });
    if (states[chunk] == State::there) return;
    states[chunk] = State::underway;
    lock.unlock();
    try {
      fill();
    } catch (...) {
      settle(chunk, State::missing);
      throw;
    }
    settle(chunk, State::there);
  }

  std::vector<std::byte> data;

 private:
  void settle(std::size_t chunk, State state) {
    {
      std::lock_guard lock(mutex);
      states[chunk] = state;
    }
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<State> states;
};

// A workspace for one computation; a thread may need several at once, one for each level.
class DocumentSource::Borrowed {
 public:
  explicit Borrowed(const DocumentSource& source) : source_(source) {
    std::lock_guard lock(source.mutex_);
    if (source.idle_.empty()) {
      workspace_ = std::make_unique<Workspace>();
    } else {
      workspace_ = std::move(source.idle_.back());
      source.idle_.pop_back();
    }
  }
  ~Borrowed() {
    std::lock_guard lock(source_.mutex_);
    source_.idle_.push_back(std::move(workspace_));
  }
  Borrowed(const Borrowed&) = delete;
  Workspace& operator*() { return *workspace_; }

 private:
  const DocumentSource& source_;
  std::unique_ptr<Workspace> workspace_;
};

namespace {

EngineOptions unhashed(EngineOptions options) {
  options.hash = HashKind::none;
  return options;
}

}  // namespace

DocumentSource::DocumentSource(const Plan& plan, const Budget& budget, const EngineOptions& options,
                               Progress& progress, std::stop_token stop,
                               std::vector<const Source*> sources)
    : plan_(plan),
      headers_(plan.outputs()),
      budget_(budget),
      options_(unhashed(options)),
      capture_(std::make_unique<Capture>()),
      context_{plan, budget_, options_,      *capture_,         progress,
               stop, report_, report_mutex_, std::move(sources)},
      groups_(group_jobs(plan)),
      place_(plan.jobs.size()),
      slots_(groups_.size()) {
  report_.output_hashes.resize(plan.jobs.size());
  report_.output_non_finite.resize(plan.jobs.size());
  report_.facts.resize(plan.jobs.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < groups_[g].size(); ++i) place_[groups_[g][i]] = {g, i};
  }
}

DocumentSource::~DocumentSource() = default;

// The first reader makes the reductions; others that need the same group wait for it.
std::shared_ptr<Group> DocumentSource::opened(std::size_t index) const {
  std::shared_ptr<Group> group;
  {
    std::lock_guard lock(slots_[index].mutex);
    if (!slots_[index].group) {
      std::shared_ptr<Group> made = make_group(context_, groups_[index]);
      Borrowed workspace(*this);
      while (!made->writing()) {
        for (std::size_t t = 0; t < made->tensors(); ++t) {
          const std::size_t chunks = made->chunks(t);
          for (std::size_t c = 0; c < chunks; ++c) made->run_chunk(t, c, *workspace);
          made->finish_tensor(t);
        }
        made->next_phase();
      }
      slots_[index].group = std::move(made);
    }
    group = slots_[index].group;
  }
  std::size_t dropped = groups_.size();
  if (groups_[index].size() > 1) return group;  // its reductions read the whole model: kept
  {
    std::lock_guard lock(mutex_);
    recent_.remove(index);
    recent_.push_front(index);
    if (recent_.size() > budget_.open_documents) {
      dropped = recent_.back();
      recent_.pop_back();
    }
  }
  if (dropped < groups_.size()) {
    std::lock_guard lock(slots_[dropped].mutex);
    slots_[dropped].group.reset();
  }
  return group;
}

// Null where there is no room for it.
std::shared_ptr<DocumentSource::Held> DocumentSource::held(std::size_t tensor,
                                                           std::size_t chunks) const {
  const std::uint64_t bytes = headers_[tensor].bytes();
  // What can only be computed as a whole is not computed again for every part.
  const bool whole = plan_.jobs[tensor].unit == Unit::tensor;
  if (bytes > budget_.held_bytes && !whole) return nullptr;
  std::lock_guard lock(mutex_);
  if (const auto found = held_.find(tensor); found != held_.end()) {
    held_order_.remove(tensor);
    held_order_.push_front(tensor);
    return found->second;
  }
  while (!held_order_.empty() && held_bytes_ + bytes > budget_.held_bytes) {
    const std::size_t oldest = held_order_.back();
    held_order_.pop_back();
    held_bytes_ -= headers_[oldest].bytes();
    held_.erase(oldest);
  }
  held_bytes_ += bytes;
  held_order_.push_front(tensor);
  return held_[tensor] = std::make_shared<Held>(bytes, chunks);
}

void DocumentSource::compute(std::size_t tensor, std::size_t chunk, std::uint64_t begin,
                             std::byte* out) const {
  const auto [group, member] = place_[tensor];
  const std::shared_ptr<Group> open = opened(group);
  const Capture::Scope scope({out, begin});
  Borrowed workspace(*this);
  open->run_chunk(member, chunk, *workspace);
}

void DocumentSource::read(std::size_t tensor, std::uint64_t begin, std::span<std::byte> out) const {
  if (out.empty()) return;
  const PlanJob& job = plan_.jobs[tensor];
  const std::uint64_t step =
      chunk_elements(job, budget_.chunk_elements) * size_of(job.output.dtype);
  const std::uint64_t bytes = headers_[tensor].bytes();
  const std::uint64_t end = begin + out.size();
  const auto chunks = static_cast<std::size_t>((bytes + step - 1) / step);
  const std::shared_ptr<Held> kept = held(tensor, chunks);
  for (std::uint64_t chunk = begin / step; chunk * step < end; ++chunk) {
    const std::uint64_t first = chunk * step, last = std::min(bytes, first + step);
    const std::uint64_t from = std::max(begin, first), to = std::min(end, last);
    std::byte* target = out.data() + (from - begin);
    if (kept) {
      kept->ensure(chunk, [&] { compute(tensor, chunk, first, kept->data.data() + first); });
      std::memcpy(target, kept->data.data() + from, to - from);
    } else if (from == first && to == last) {
      compute(tensor, chunk, first, target);
    } else {
      Borrowed part(*this);
      std::byte* data = (*part).output().get(last - first).data();
      compute(tensor, chunk, first, data);
      std::memcpy(target, data + (from - first), to - from);
    }
  }
}

}  // namespace merganser
