#include "evaluate/idx.h"

#include "base/error.h"

namespace merganser::rt {

Examples read_idx(const Task& /*task*/, const SplitFile& split) {
  throw Error(ErrorKind::unsupported, "no .safetensors file").in_file(split.file.string());
}

}  // namespace merganser::rt
