// Tables in text: lines, the fields between their commas, and numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {

/// Reads lines of bounded length, without their ends; quotes around a field may hold line ends,
/// which are part of it. `file` must outlive it.
class CsvLines {
 public:
  /// Lines longer than `longest` bytes are an Error.
  CsvLines(const Bytes& file, size_t longest) : file_(file), longest_(longest) {}

  /// Bytes up to the next line.
  uint64_t offset() const { return offset_ + at_; }
  /// Where the line read last begins, from 1.
  int line() const { return line_; }
  /// False at the end of the file.
  bool next(std::string* text);

 private:
  bool fill();
  bool append(std::string* text);

  const Bytes& file_;
  size_t longest_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  uint64_t offset_ = 0;  // of the buffer in the file
  size_t size_ = 0;
  size_t at_ = 0;
  int line_ = 0;
  int lines_ = 0;  // ends of lines read
};

struct CsvField {
  std::string_view text;  ///< into the line, without spaces and quotes around it
  int column = 1;         ///< its place in the line, from 1
};

/// Fields between commas, as RFC 4180 has them: within quotes around a whole field `""` is one
/// quote, and commas and line ends are like other characters. Fields lie in `line`, which is
/// changed where quotes are undone. Throws Error at its column of `where`.
void split_csv(std::string* line, const Where& where, std::vector<CsvField>* fields);

/// Splits the first line of a file into the names of its columns. Throws Error where it is no text
/// or holds numbers only.
std::vector<std::string> csv_header(std::string line, const std::string& file);

/// The number of the class that a label names, or nothing where it names none. Throws Error at
/// `place` for a number that is also the name of another class.
std::optional<int64_t> class_named(std::string_view label, const std::vector<std::string>& names,
                                   const std::string& place);

/// A number and nothing else; nan and inf are numbers.
bool parse_csv(std::string_view text, double* value);

}  // namespace assay
