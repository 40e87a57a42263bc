#pragma once
// A table for people: columns as wide as their widest cell, two blanks between them, two in front.

#include <string>
#include <vector>

namespace epass::tool {

class TextTable {
 public:
  struct Column {
    std::string heading = {};
    bool right = false;      // numbers
    bool droppable = false;  // goes first where the terminal is narrow
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  // `width` 0: nothing is cut.
  std::string text(int width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace epass::tool
