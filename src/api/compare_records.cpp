#include "api/compare_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "api/recorded.h"
#include "base/error.h"

namespace merganser {
namespace {

// What the record and the merge now say of one thing.
class Comparison {
 public:
  Comparison(const Json& told, const Json& now) : told_(told), now_(now) {}

  std::vector<ReplayDifference> run() && {
    compare_models(told_, now_, "");
    compare_tensors(told_, now_, "");
    const auto documents = [](const Json& provenance) {
      std::map<std::string, Json> by_name;
      if (const auto found = provenance.find("documents"); found != provenance.end()) {
        for (const Json& document : *found) by_name[text_at(document, "name")] = document;
      }
      return by_name;
    };
    const auto before = documents(told_), after = documents(now_);
    for (const auto& [name, document] : after) {
      const auto recorded = before.find(name);
      if (recorded == before.end()) continue;  // the recipe is the same: it cannot be
      compare_models(recorded->second, document, name + ": ");
      compare_tensors(recorded->second, document, name + ": ");
    }
    // Another BLAS is no difference by itself, but may be why the last bits differ.
    const auto blas = [](const Json& provenance) {
      const auto found = provenance.find("blas");
      return found == provenance.end() ? std::string() : found->dump();
    };
    if (!found_.empty() && blas(told_) != blas(now_)) differ("BLAS", blas(told_), blas(now_));
    return std::move(found_);
  }

 private:
  void differ(std::string what, std::string recorded, std::string now) {
    found_.push_back({std::move(what), std::move(recorded), std::move(now)});
  }

  static std::string model_name(const Json& provenance, const Json& input) {
    const auto models = provenance.find("models");
    const auto index = input.find("model");
    if (models == provenance.end() || index == input.end() || !index->is_number_unsigned() ||
        index->get<std::size_t>() >= models->size()) {
      return "?";
    }
    return text_at((*models)[index->get<std::size_t>()], "ref");
  }

  void compare_models(const Json& told, const Json& now, const std::string& where) {
    const auto before = told.find("models"), after = now.find("models");
    if (before == told.end() || after == now.end()) return;
    for (std::size_t i = 0; i < std::min(before->size(), after->size()); ++i) {
      const Json was = (*before)[i].value("adapter", Json()),
                 is = (*after)[i].value("adapter", Json());
      if (was != is) {
        differ(fmt::format("{}adapter of {}", where, text_at((*after)[i], "ref")), was.dump(),
               is.dump());
      }
      const std::string then = text_at((*before)[i], "config"),
                        here = text_at((*after)[i], "config");
      if (then != here) {
        differ(fmt::format("{}config.json of {}", where, text_at((*after)[i], "ref")), then, here);
      }
    }
  }

  void compare_tensors(const Json& told, const Json& now, const std::string& where) {
    const auto by_name = [](const Json& provenance) {
      std::map<std::string, const Json*> tensors;
      for (const Json& tensor : provenance.at("tensors"))
        tensors[text_at(tensor, "name")] = &tensor;
      return tensors;
    };
    const auto before = by_name(told), after = by_name(now);
    for (const auto& [name, tensor] : before) {
      if (!after.contains(name)) differ(where + name, "merged", "not an output any more");
    }
    for (const auto& [name, tensor] : after) {
      const auto recorded = before.find(name);
      if (recorded == before.end()) {
        differ(where + name, "not an output", "merged");
        continue;
      }
      const Json &then = *recorded->second, &here = *tensor;
      for (const char* key : {"dtype", "action"}) {
        if (text_at(then, key) != text_at(here, key)) {
          differ(fmt::format("{}{}: {}", where, name, key), text_at(then, key), text_at(here, key));
        }
      }
      if (then.value("shape", Json()) != here.value("shape", Json())) {
        differ(fmt::format("{}{}: shape", where, name), then.value("shape", Json()).dump(),
               here.value("shape", Json()).dump());
      }
      compare_inputs(then, here, now, where);
      const std::string hash = text_at(then, "hash");
      if (!hash.empty() && hash != text_at(here, "hash")) {
        differ(fmt::format("output {}{}", where, name), hash, text_at(here, "hash"));
      }
      const Json masks = then.value("masks", Json());
      if (!masks.is_null() && masks != here.value("masks", Json())) {
        differ(fmt::format("masks of {}{}", where, name), masks.dump(),
               here.value("masks", Json()).dump());
      }
    }
  }

  void compare_inputs(const Json& then, const Json& here, const Json& now,
                      const std::string& where) {
    const auto hashes = [](const Json& tensor) {
      std::vector<std::pair<Json, std::string>> all;
      if (const auto inputs = tensor.find("inputs"); inputs != tensor.end()) {
        for (const Json& input : *inputs) all.emplace_back(input, text_at(input, "hash"));
      }
      if (const auto base = tensor.find("base"); base != tensor.end()) {
        all.emplace_back(*base, text_at(*base, "hash"));
      }
      return all;
    };
    const auto before = hashes(then), after = hashes(here);
    for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
      if (before[i].second.empty() || before[i].second == after[i].second) continue;
      const std::string what =
          fmt::format("{}input {} of {}", where, text_at(after[i].first, "tensor"),
                      model_name(now, after[i].first));
      if (seen_.insert(what).second) differ(what, before[i].second, after[i].second);
    }
  }

  const Json &told_, &now_;
  std::set<std::string> seen_;  // an input may go into several outputs
  std::vector<ReplayDifference> found_;
};

}  // namespace

std::vector<ReplayDifference> compare_records(const Json& told, const Json& now,
                                              const std::string& place) {
  try {
    return Comparison(told, now).run();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::corrupt, "a part of this provenance has the wrong form").in_file(place);
  }
}

}  // namespace merganser
