// Hands out the chunks of all groups to the workers, in a fixed order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "execute/group.h"

namespace merganser {

// While a group waits for its last chunks before its next phase, the groups behind it are opened,
// so that no worker idles at a phase's end. Groups are made when their turn comes: what a method
// keeps between phases exists for `window` groups at once, never for the whole model.
class Schedule {
  struct Active {
    std::unique_ptr<Group> group;
    std::vector<std::size_t> left;  // chunks not yet done, by tensor
    std::size_t tensors_left = 0;
    std::size_t tensor = 0, chunk = 0;  // next to hand out
  };

 public:
  using Maker = std::function<std::unique_ptr<Group>(std::size_t)>;

  class Item {
   public:
    void run(Workspace& workspace) const { active_->group->run_chunk(tensor_, chunk_, workspace); }

   private:
    friend class Schedule;
    std::list<Active>::iterator active_;
    std::size_t tensor_ = 0, chunk_ = 0;
  };

  Schedule(std::size_t groups, std::size_t window, Maker make)
      : groups_(groups), window_(window), make_(std::move(make)) {}

  // Blocks while all chunks at hand are being worked on; none: everything is done, or stopped.
  std::optional<Item> next(std::stop_token stop);
  void done(const Item& item);

 private:
  std::optional<Item> take();
  static void begin_phase(Active& active);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Active> active_;
  std::size_t opened_ = 0, groups_, window_;
  Maker make_;
};

}  // namespace merganser
