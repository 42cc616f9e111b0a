#include <fmt/format.h>

#include <map>

#include "architecture/architecture.h"
#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/locate.h"
#include "merganser/merganser.h"
#include "plan/models.h"
#include "plan/resolve_architecture.h"

namespace merganser {

CheckpointReport inspect(const std::string& path) {
  const ModelRef ref = model_ref(path);
  if (!ref.lora_path.empty()) {
    throw Error(ErrorKind::usage, "a model or an adapter is described, not both at once")
        .in_file(path);
  }
  const Checkpoint checkpoint = Checkpoint::open(locate_model(ref.path, ref.revision, "").path);
  const std::vector<TensorInfo> headers = checkpoint.headers();
  const Architecture architecture = resolve_architecture(path, checkpoint.config(), headers);
  CheckpointReport report;
  report.path = path;
  report.family = architecture.family();
  report.architecture = architecture.architecture();
  report.inferred = architecture.inferred();
  report.single_file = checkpoint.single_file();
  report.notes = checkpoint.notes();
  for (const auto& file : checkpoint.files()) report.files.push_back(file.filename().string());
  for (const ArchitectureModule& module : architecture.modules()) {
    report.modules.push_back({module.name, module.layer_prefix, module.layers_key, module.layers});
  }
  for (const TiedPair& pair : architecture.tied()) report.tied.emplace_back(pair.name, pair.source);
  std::map<DType, std::uint64_t> dtypes;
  for (const StoredTensor& stored : checkpoint.tensors()) {
    const TensorInfo& info = stored.info;
    const TensorPlace place = architecture.place(info.name);
    CheckpointReport::Tensor& tensor = report.tensors.emplace_back();
    tensor.name = info.name;
    tensor.dtype = torch_name(info.dtype);
    tensor.shape = info.shape;
    tensor.role = place.role;
    tensor.place = to_string(place.place);
    tensor.layer = place.layer;
    tensor.file = report.files[stored.file];
    tensor.bytes = info.bytes();
    dtypes[info.dtype] += info.size();
    report.elements += info.size();
    report.bytes += info.bytes();
  }
  for (const auto& [dtype, count] : dtypes) report.dtypes.emplace_back(torch_name(dtype), count);
  return report;
}

}  // namespace merganser
