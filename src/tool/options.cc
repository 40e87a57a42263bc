// Parses command lines by table.

#include "tool/options.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "tool/suggest.h"

namespace epass::tool {

std::unexpected<Error> usage_error(std::string message, std::string help) {
  return std::unexpected(Error{.message = std::move(message), .code = "usage", .help = std::move(help)});
}

bool Arguments::has(std::string_view name) const {
  return std::ranges::find(given, name, &Given::name) != given.end();
}

std::string Arguments::get(std::string_view name, std::string_view fallback) const {
  for (size_t i = given.size(); i-- > 0;)
    if (given[i].name == name) return given[i].value;
  return std::string(fallback);
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const Given& g : given)
    if (g.name == name) values.push_back(g.value);
  return values;
}

int Arguments::count(std::string_view name) const {
  return static_cast<int>(std::ranges::count(given, name, &Given::name));
}

namespace {

class Parser {
 public:
  Parser(std::span<const std::string> words, std::span<const Option> options, std::span<const Option> common,
         std::string_view command)
      : words_(words), options_(options), common_(common), command_(command) {}

  Result<Arguments> run() {
    bool only_inputs = false;
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (only_inputs || word == "-" || !word.starts_with('-')) {
        out_.inputs.push_back(word);
      } else if (word == "--") {
        only_inputs = true;
      } else {
        Result<void> done = word.starts_with("--") ? long_option(word) : short_options(word);
        if (!done) return std::unexpected(done.error());
      }
    }
    return std::move(out_);
  }

 private:
  const Option* find(auto matches) const {
    for (std::span<const Option> table : {options_, common_})
      for (const Option& option : table)
        if (matches(option)) return &option;
    return nullptr;
  }

  Result<void> long_option(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    const Option* option = find([&](const Option& o) { return o.name == name && name.size() > 1; });
    if (!option) return unknown("--" + name);
    if (equals != std::string::npos) {
      if (option->value == Option::Value::kNone) return usage_error(format("`--{}` takes no value", name));
      return add(*option, "--" + name, word.substr(equals + 1), true);
    }
    if (option->value != Option::Value::kRequired) return add(*option, "--" + name, "", false);
    return take_next(*option, "--" + name);
  }

  Result<void> short_options(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const std::string shown = {'-', word[i]};
      const Option* option = find([&](const Option& o) { return o.letter == word[i]; });
      if (!option) return unknown(word.size() > 2 ? word : shown);
      if (option->value == Option::Value::kNone) {
        if (auto done = add(*option, shown, "", false); !done) return done;
        continue;
      }
      std::string rest = word.substr(i + 1);
      if (rest.starts_with('=')) rest.erase(0, 1);
      if (rest.empty()) return take_next(*option, shown);
      return add(*option, shown, rest, true);
    }
    return {};
  }

  Result<void> take_next(const Option& option, const std::string& shown) {
    if (at_ == words_.size() || (words_[at_].size() > 1 && words_[at_].starts_with('-')))
      return usage_error(format("`{}` needs a value", shown), format("`epass {} --help`", command_));
    return add(option, shown, words_[at_++], true);
  }

  Result<void> add(const Option& option, const std::string& shown, std::string value, bool has_value) {
    if (!option.repeatable && out_.has(option.name) &&
        (has_value || option.value == Option::Value::kRequired))
      return usage_error(format("`{}` is given twice", shown));
    out_.given.push_back({std::string(option.name), std::move(value), has_value});
    return {};
  }

  std::unexpected<Error> unknown(const std::string& shown) const {
    std::vector<std::string> names;
    for (std::span<const Option> table : {options_, common_})
      for (const Option& option : table)
        if (option.name.size() > 1) names.push_back("--" + std::string(option.name));
    std::string meant = closest(shown, names);
    // A single dash before a word: `-passes` means `--passes`.
    if (meant.empty() && !shown.starts_with("--")) meant = closest("-" + shown, names);
    std::string help = meant.empty() ? format("`epass {} --help` lists the options", command_)
                                     : format("did you mean `{}`?", meant);
    return usage_error(format("`epass {}` has no option `{}`", command_, shown), std::move(help));
  }

  std::span<const std::string> words_;
  std::span<const Option> options_, common_;
  std::string_view command_;
  size_t at_ = 0;
  Arguments out_;
};

}  // namespace

Result<Arguments> parse_arguments(std::span<const std::string> words, std::span<const Option> options,
                                  std::span<const Option> common, std::string_view command) {
  return Parser(words, options, common, command).run();
}

Result<uint64_t> parse_number(std::string_view option, std::string_view text, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const bool hex = text.starts_with("0x");
  const char* begin = text.data() + (hex ? 2 : 0);
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(begin, end, number, hex ? 16 : 10);
  if (error != std::errc{} || stop != end || number < least || number > most)
    return usage_error(format("`{}` takes a number from {} to {}, not `{}`", option, least, most, text));
  return number;
}

Result<size_t> parse_word(std::string_view option, std::string_view text,
                          std::span<const std::string> words) {
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] == text) return i;
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  std::string meant = closest(text, words);
  return usage_error(format("`{}` takes one of {}; not `{}`", option, list, text),
                     meant.empty() ? "" : format("did you mean `{}`?", meant));
}

}  // namespace epass::tool
