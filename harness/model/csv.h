// Tables in text: lines, the fields between their commas, and numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {

/// Reads lines of bounded length, without their ends. `file` must outlive it.
class CsvLines {
 public:
  /// Lines longer than `longest` bytes are an Error.
  CsvLines(const Bytes& file, size_t longest) : file_(file), longest_(longest) {}

  /// Bytes up to the next line.
  uint64_t offset() const { return offset_ + at_; }
  /// Of the line read last, from 1.
  int line() const { return line_; }
  /// False at the end of the file.
  bool next(std::string* text);

 private:
  bool fill();

  const Bytes& file_;
  size_t longest_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  uint64_t offset_ = 0;  // of the buffer in the file
  size_t size_ = 0;
  size_t at_ = 0;
  int line_ = 0;
};

struct CsvField {
  std::string_view text;  ///< into the line, without spaces and quotes around it
  int column = 1;         ///< its place in the line, from 1
};

/// Fields between commas. Numbers and names need no comma inside, so only quotes around a whole
/// field are understood; those around a comma are, too. Throws Error at its column of `where`.
void split_csv(std::string_view line, const Where& where, std::vector<CsvField>* fields);

/// Splits the first line of a file into the names of its columns. Throws Error where it is no text
/// or holds numbers only.
std::vector<std::string> csv_header(std::string line, const std::string& file);

/// A number and nothing else; nan and inf are numbers.
bool parse_csv(std::string_view text, double* value);

}  // namespace assay
