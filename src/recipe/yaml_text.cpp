#include "recipe/yaml_text.h"

#include <fmt/format.h>

#include <cstdint>

#include "recipe/yaml_tree.h"
#include "recipe/yaml_walk.h"

namespace merganser::yaml {
namespace {

// Bytes of the UTF-8 character at the front of `text`; 0 if there is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool beyond = lead == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

}  // namespace

// The text is copied into JSON and shown on terminals; and the YAML library takes the byte 0x04 for
// the end of the text. So it is checked here, once.
void check_text(std::string_view text, const std::string& file) {
  if (text.size() > kMaxText) {
    fail(file, {},
         fmt::format("{} bytes are too many for a recipe; the limit is {}", text.size(), kMaxText),
         "is this the right file?");
  }
  Mark mark{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f) {
      fail(file, mark, fmt::format("control character 0x{:02x}; a recipe is plain text", byte),
           "is this the right file?");
    }
    const std::size_t size = character_size(text.substr(i));
    if (size == 0) {
      fail(file, mark, fmt::format("byte 0x{:02x} is not UTF-8", byte), "save the file as UTF-8");
    }
    i += size;
    mark.column += size;
    if (byte == '\n') mark = {mark.line + 1, 1};
  }
}

std::string_view line_of(std::string_view text, std::size_t number) {
  for (std::size_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace merganser::yaml
