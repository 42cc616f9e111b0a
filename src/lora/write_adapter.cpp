#include "lora/write_adapter.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/shards.h"

namespace merganser {
namespace {

constexpr std::size_t kChunk = std::size_t{8} << 20;  // bytes of a whole tensor at once

std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);  // npos + 1 is 0
}

// Every dotted beginning of the names, and they themselves: the modules that hold modules.
std::set<std::string> with_parents(std::span<const std::string> names) {
  std::set<std::string> all;
  for (const std::string& name : names) {
    for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
      all.insert(name.substr(0, dot));
    }
    all.insert(name);
  }
  return all;
}

void stop_if_asked(const Progress& progress) {
  if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
}

}  // namespace

std::vector<WrittenTensor> write_adapter_weights(const TermStore& store, bool distribute_scale,
                                                 std::vector<WholeTensor> whole,
                                                 const std::filesystem::path& folder, bool sync,
                                                 Progress& progress) {
  for (const TermStore::Entry& entry : store.entries()) {
    if (entry.rank == 0) continue;
    const auto from = [&entry](auto make) {
      return [make, &entry, bytes = std::vector<std::byte>()](std::uint64_t begin,
                                                              std::span<std::byte> out) mutable {
        if (begin == 0) bytes = make(entry);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
        if (begin + out.size() == bytes.size()) bytes = {};
      };
    };
    whole.push_back({entry.module.a(entry.rank), from([&](const TermStore::Entry& each) {
                       return store.a(each, distribute_scale);
                     })});
    whole.push_back({entry.module.b(entry.rank), from([&](const TermStore::Entry& each) {
                       return store.b(each, distribute_scale);
                     })});
  }
  if (whole.empty()) {
    throw Error(ErrorKind::usage, "the adapter would be empty: nothing that it could hold changed")
        .hint("compare the inputs with merganser diff");
  }
  std::ranges::sort(whole, {}, [](const WholeTensor& tensor) { return tensor.info.name; });
  std::vector<TensorInfo> infos;
  for (const WholeTensor& tensor : whole) infos.push_back(tensor.info);
  const ShardPlan plan =
      plan_shards(infos, std::numeric_limits<std::uint64_t>::max(), "adapter_model.safetensors");
  ShardWriter writer(plan, folder);
  std::vector<WrittenTensor> written;
  std::vector<std::byte> chunk;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto hasher = Hasher::make(HashKind::xxh3);
    const std::uint64_t size = infos[i].bytes();
    for (std::uint64_t begin = 0; begin < size; begin += chunk.size()) {
      stop_if_asked(progress);
      chunk.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - begin)));
      whole[i].read(begin, chunk);
      hasher->update(chunk);
      writer.write(i, begin, chunk);
    }
    written.push_back({infos[i], hasher->finish()});
  }
  if (sync) writer.sync();
  return written;
}

std::vector<std::string> short_names(std::span<const std::string> chosen,
                                     std::span<const std::string> all) {
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  // By plain ends, not by whole parts: "norm" also means "input_layernorm" where PEFT looks for
  // modules_to_save.
  std::set<std::string> ends;
  for (const std::string& name : wanted) ends.emplace(last_part(name));
  std::set<std::string> broken;
  for (const std::string& name : with_parents(all)) {
    if (wanted.contains(name)) continue;
    for (std::size_t length = 1; length <= last_part(name).size(); ++length) {
      std::string end = name.substr(name.size() - length);
      if (ends.contains(end)) broken.insert(std::move(end));
    }
  }
  std::set<std::string> names;
  for (const std::string& name : wanted) {
    const std::string end(last_part(name));
    names.insert(broken.contains(end) ? name : end);
  }
  return {names.begin(), names.end()};
}

void set_ranks(const TermStore& store, Json& config) {
  std::size_t most = 0;
  for (const TermStore::Entry& entry : store.entries()) most = std::max(most, entry.rank);
  most = std::max<std::size_t>(most, 1);  // of an adapter with whole tensors alone
  std::map<std::string, std::size_t> others;
  std::vector<std::string> names;
  for (const TermStore::Entry& entry : store.entries()) {
    if (entry.rank == 0) continue;
    names.push_back(entry.module.name);
    if (entry.rank != most) others.emplace(entry.module.name, entry.rank);
  }
  // A key also means every module whose name ends in it behind a dot; those need keys of their own,
  // before it.
  std::map<std::string, std::size_t> keys = others;
  for (const TermStore::Entry& entry : store.entries()) {
    if (entry.rank == 0) continue;
    const std::string& name = entry.module.name;
    for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
      if (others.contains(name.substr(dot + 1))) keys.emplace(name, entry.rank);
    }
  }
  std::vector<std::pair<std::string, std::size_t>> ordered(keys.begin(), keys.end());
  std::ranges::stable_sort(
      ordered, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  Json pattern = Json::object();
  for (const auto& [name, rank] : ordered) pattern[name] = rank;
  config["r"] = most;
  config["lora_alpha"] = most;
  config["rank_pattern"] = pattern;
  config["alpha_pattern"] = std::move(pattern);
}

}  // namespace merganser
