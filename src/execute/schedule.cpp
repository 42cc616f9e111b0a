#include "execute/schedule.h"

#include <cassert>

namespace merganser {

void Schedule::begin_phase(Active& active) {
  active.left.clear();
  active.tensors_left = 0;
  for (std::size_t t = 0; t < active.group->tensors(); ++t) {
    active.left.push_back(active.group->chunks(t));
    if (active.left.back() > 0) ++active.tensors_left;
  }
  active.tensor = active.chunk = 0;
  assert(active.tensors_left > 0);
}

std::optional<Schedule::Item> Schedule::take() {
  for (auto it = active_.begin();; ++it) {
    if (it == active_.end()) {
      if (active_.size() >= window_ || opened_ == groups_) return std::nullopt;
      std::unique_ptr<Group> group = make_(opened_++);  // may throw: nothing is listed yet
      it = active_.emplace(active_.end());
      it->group = std::move(group);
      begin_phase(*it);
    }
    while (it->tensor < it->group->tensors() && it->group->chunks(it->tensor) == 0) ++it->tensor;
    if (it->tensor == it->group->tensors()) continue;
    Item item;
    item.active_ = it;
    item.tensor_ = it->tensor;
    item.chunk_ = it->chunk++;
    if (it->chunk == it->group->chunks(it->tensor)) {
      ++it->tensor;
      it->chunk = 0;
    }
    return item;
  }
}

std::optional<Schedule::Item> Schedule::next(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  std::optional<Item> item;
  changed_.wait(lock, stop, [&] {
    item = take();
    return item || (active_.empty() && opened_ == groups_);
  });
  return stop.stop_requested() ? std::nullopt : item;
}

void Schedule::done(const Item& item) {
  Active& active = *item.active_;
  std::unique_lock lock(mutex_);
  if (--active.left[item.tensor_] != 0) return;
  lock.unlock();
  active.group->finish_tensor(item.tensor_);
  lock.lock();
  if (--active.tensors_left != 0) return;
  // Alone from here: all chunks of the phase are handed out and done.
  lock.unlock();
  const bool more = active.group->next_phase();
  lock.lock();
  if (more) {
    begin_phase(active);
  } else {
    active_.erase(item.active_);
  }
  lock.unlock();
  changed_.notify_all();
}

}  // namespace merganser
