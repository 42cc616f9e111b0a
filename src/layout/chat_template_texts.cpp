// The known chat templates, as Jinja. They are one line each, so that they mean the same whatever a
// renderer does about white space around blocks.
#include <array>
#include <utility>

#include "layout/chat_template.h"

namespace merganser {
namespace {

constexpr std::string_view kAlpaca =
    R"({% for message in messages %})"
    R"({% if loop.first %}{{ bos_token }}{% endif %})"
    R"({% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'] + '\n\n' }})"
    R"({% elif message['role'] == 'assistant' %})"
    R"({{ '### Response:\n' + message['content'] + eos_token + '\n\n' }})"
    R"({% else %}{{ message['content'] + '\n\n' }}{% endif %})"
    R"({% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %})";

constexpr std::string_view kChatml =
    R"({% for message in messages %})"
    R"({{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }})"
    R"({% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";

constexpr std::string_view kExaone =
    R"({% for message in messages %})"
    R"({% if loop.first and message['role'] != 'system' %}{{ '[|system|][|endofturn|]\n' }}{% endif %})"
    R"({{ '[|' + message['role'] + '|]' + message['content'] }})"
    R"({{ '\n' if message['role'] == 'user' else '[|endofturn|]\n' }})"
    R"({% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %})";

constexpr std::string_view kLlama3 =
    R"({% for message in messages %})"
    R"({% if loop.first %}{{ bos_token }}{% endif %})"
    R"({{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }})"
    R"({{ message['content'] | trim }}{{ '<|eot_id|>' }})"
    R"({% endfor %})"
    R"({% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";

// It has no role for the system's text: that opens the first user's turn.
constexpr std::string_view kMistral =
    R"({% set opening = '' %}{% set turns = messages %})"
    R"({% if messages[0]['role'] == 'system' %})"
    R"({% set opening = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}{% endif %})"
    R"({{ bos_token }}{% for message in turns %})"
    R"({% if message['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') %})"
    R"({{ raise_exception('user and assistant must take turns, the user first') }}{% endif %})"
    R"({% if message['role'] == 'user' %})"
    R"({{ '[INST] ' + (opening if loop.first else '') + message['content'] + ' [/INST]' }})"
    R"({% else %}{{ ' ' + message['content'] + eos_token }}{% endif %})"
    R"({% endfor %})";

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kKnown = {{
    {"alpaca", kAlpaca},
    {"chatml", kChatml},
    {"exaone", kExaone},
    {"llama3", kLlama3},
    {"mistral", kMistral},
}};

}  // namespace

std::optional<std::string_view> known_chat_template(std::string_view name) {
  for (const auto& [known, text] : kKnown) {
    if (known == name) return text;
  }
  return std::nullopt;
}

}  // namespace merganser
