// Lays out tables; on a narrow terminal drops a column, then cuts long names in the middle.

#include "tool/text_table.h"

#include <algorithm>
#include <numeric>

namespace epass::tool {

namespace {

// Characters as a terminal counts them, near enough: UTF-8 continuation bytes take no column.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string cut_in_the_middle(const std::string& text, size_t size) {
  if (columns_of(text) <= size || size < 5) return text;
  size_t head = (size - 2) / 2, tail = size - 2 - head;
  return text.substr(0, head) + ".." + text.substr(text.size() - tail);
}

}  // namespace

std::string TextTable::text(int width) const {
  std::vector<size_t> widths(columns_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    widths[c] = columns_[c].heading.size();
    for (const auto& row : rows_)
      if (c < row.size()) widths[c] = std::max(widths[c], columns_of(row[c]));
  }
  std::vector<bool> shown(columns_.size(), true);
  auto total = [&] {
    size_t sum = 0;
    for (size_t c = 0; c < columns_.size(); ++c) sum += shown[c] ? widths[c] + 2 : 0;
    return sum;
  };
  if (width > 0) {
    for (size_t c = 0; c < columns_.size() && total() > size_t(width); ++c)
      if (columns_[c].droppable) shown[c] = false;
    size_t most = total();
    if (most > size_t(width) && !columns_.empty())
      widths[0] = std::max<size_t>(12, widths[0] - std::min(widths[0], most - size_t(width)));
  }
  std::string out;
  auto add_row = [&](auto cell_of) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (!shown[c]) continue;
      std::string cell = cell_of(c);
      if (c == 0) cell = cut_in_the_middle(cell, widths[0]);
      std::string fill(widths[c] - std::min(widths[c], columns_of(cell)), ' ');
      line += "  " + (columns_[c].right ? fill + cell : cell + fill);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_row([&](size_t c) { return columns_[c].heading; });
  for (const auto& row : rows_) add_row([&](size_t c) { return c < row.size() ? row[c] : std::string(); });
  return out;
}

}  // namespace epass::tool
