#include "harness/record/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "harness/record/files.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::vector<NamedArray> sample_arrays() {
  return {{"pgd/7", "F32", {1, 2}, std::string("\0\0\x80?\0\0\0@", 8)},
          {"labels", "U8", {3}, "abc"},
          {"aa", "F64", {1}, std::string(8, '\1')},
          {"none", "F32", {0, 5}, ""},
          {"scalar", "I64", {}, std::string(8, '\2')}};
}

/// A file with this header and this many bytes of data.
std::string file_with(const std::string& header, size_t data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes + header + std::string(data, 'd');
}

std::string fault_in(const std::string& bytes) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "x.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    read_safetensors_index(path);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("x.safetensors: "));
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "a";
  write_durably(path, to_safetensors(sample_arrays()));
  const std::vector<ArrayInfo> arrays = read_safetensors_index(path);
  ASSERT_EQ(arrays.size(), 5u);
  for (const NamedArray& wrote : sample_arrays()) {
    const auto found = std::find_if(arrays.begin(), arrays.end(),
                                    [&](const ArrayInfo& a) { return a.name == wrote.name; });
    ASSERT_NE(found, arrays.end());
    EXPECT_EQ(found->dtype, wrote.dtype);
    EXPECT_EQ(found->shape, wrote.shape);
    EXPECT_EQ(read_array(path, *found), wrote.bytes);
  }
}

TEST(Safetensors, HasTheBytesOfTheFormat) {
  // JSON, and 7 spaces up to a multiple of 8.
  const std::string header =
      "{\"ab\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}       ";
  ASSERT_EQ(header.size() % 8, 0u);
  EXPECT_EQ(to_safetensors({{"ab", "F32", {1, 2}, "dddddddd"}}), file_with(header, 8));
}

TEST(Safetensors, HasTheSameBytesInWhateverOrderArraysCome) {
  std::vector<NamedArray> arrays = sample_arrays();
  const std::string bytes = to_safetensors(arrays);
  std::reverse(arrays.begin(), arrays.end());
  EXPECT_EQ(to_safetensors(arrays), bytes);
}

TEST(Safetensors, EveryArrayLiesAtAMultipleOfItsElement) {
  const ScratchFolder scratch;
  write_durably(scratch.path() / "a", to_safetensors(sample_arrays()));
  for (const ArrayInfo& array : read_safetensors_index(scratch.path() / "a")) {
    EXPECT_EQ(array.begin % static_cast<uint64_t>(dtype_size(array.dtype)), 0u) << array.name;
  }
}

TEST(Safetensors, AStreamedFileHasTheSameBytes) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "adversarials.safetensors";
  const auto arrays = sample_arrays();
  std::vector<ArrayInfo> infos;
  for (const NamedArray& array : arrays) infos.push_back({array.name, array.dtype, array.shape});
  write_safetensors(path, infos, [&](size_t i) { return arrays[i].bytes; });
  EXPECT_EQ(read_bytes(path), to_safetensors(arrays));
}

TEST(Safetensors, AFileThatWasCutAfterItsIndexWasReadIsRefused) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "a";
  write_durably(path, to_safetensors(sample_arrays()));
  const ArrayInfo last = read_safetensors_index(path).back();
  std::filesystem::resize_file(path, last.end - 1);
  EXPECT_THROW(read_array(path, last), Error);
}

TEST(Safetensors, AsManyArraysFitAsTheHeaderHasRoomFor) {
  std::vector<NamedArray> all;
  std::vector<ArrayInfo> infos;
  for (int i = 0; i < 300; ++i) {
    all.push_back({"pgd@0.1/" + std::to_string(i), "F32", {2}, std::string(8, 'x')});
    infos.push_back({all.back().name, "F32", {2}, 0, 0});
  }
  const auto header_of = [&](size_t count) {
    const std::string bytes = to_safetensors({all.begin(), all.begin() + count});
    return bytes.size() - 8 * count - 8;
  };
  for (const uint64_t most : {10U, 100U, 1000U, 12345U}) {
    const size_t fitting = arrays_that_fit(infos, most);
    EXPECT_LE(header_of(fitting), std::max<uint64_t>(most, 8)) << most;
    EXPECT_GT(header_of(fitting + fitting / 10 + 1), most) << most;
  }
  EXPECT_EQ(arrays_that_fit(infos), 300U);
  EXPECT_EQ(arrays_that_fit({}, 0), 0U);
}

TEST(Safetensors, AnEmptySetIsAFile) { EXPECT_EQ(fault_in(to_safetensors({})), ""); }

TEST(Safetensors, MetadataIsAllowedAndSkipped) {
  const std::string header =
      R"({"__metadata__":{"made":"by hand"},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  EXPECT_EQ(fault_in(file_with(header, 4)), "");
  EXPECT_THAT(fault_in(file_with(R"({"__metadata__":{"n":5}})", 0)),
              HasSubstr("expected a string"));
}

TEST(Safetensors, TruncationAtEveryByteIsRefused) {
  const std::string bytes = to_safetensors(sample_arrays());
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_NE(fault_in(bytes.substr(0, length)), "") << length;
  }
  EXPECT_THAT(fault_in(bytes + "x"), HasSubstr("after its header"));
}

TEST(Safetensors, FilesThatReadersCouldTakeDifferentlyAreRefused) {
  const auto one = [](const std::string& entry) { return file_with("{\"a\":" + entry + "}", 8); };
  ASSERT_EQ(fault_in(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})")), "");
  EXPECT_THAT(fault_in(one(R"({"dtype":"F99","shape":[2],"data_offsets":[0,4]})")),
              HasSubstr("after its header"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F99","shape":[2],"data_offsets":[8,0]})")),
              HasSubstr("`data_offsets` end before they begin"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})")),
              HasSubstr("do not span the 12 bytes"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})")),
              HasSubstr("shape"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})")),
              HasSubstr("data_offsets"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})")),
              HasSubstr("gaps"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})")),
              HasSubstr("after its header"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})")),
              HasSubstr("truncated"));
  EXPECT_THAT(
      fault_in(one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})")),
      HasSubstr("overflows"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})")),
              HasSubstr("keys"));
  EXPECT_THAT(fault_in(one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("`dtype` twice"));
  const std::string entry = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(fault_in(file_with("{\"a\":" + entry + ",\"a\":" + entry + "}", 4)),
              HasSubstr("`a` twice"));
  EXPECT_THAT(fault_in(file_with("{\"a\":" + entry + ",\"b\":" + entry + "}", 4)),
              HasSubstr("overlap"));
  EXPECT_THAT(fault_in(file_with("[1,2]", 0)), HasSubstr("does not begin with {"));
  EXPECT_THAT(fault_in(file_with("{\"a\":", 0)), HasSubstr("not a JSON object"));
}

TEST(Safetensors, AnArrayOfAnUnknownTypeIsListed) {
  const std::string bytes =
      file_with(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8);
  const ScratchFolder scratch;
  const auto path = scratch.path() / "x.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  const std::vector<ArrayInfo> index = read_safetensors_index(path);
  ASSERT_EQ(index.size(), 1U);
  EXPECT_EQ(index[0].dtype, "F99");
}

TEST(Safetensors, AHeaderLengthBeyondReasonIsRefusedBeforeItIsRead) {
  std::string bytes = file_with("{}", 0);
  bytes[7] = '\x7f';
  EXPECT_THAT(fault_in(bytes), HasSubstr("at most 100000000"));
  bytes[7] = '\0';
  bytes[1] = '\x01';
  EXPECT_THAT(fault_in(bytes), HasSubstr("only 2 follow"));
}

TEST(Safetensors, AFullFileIsNotLeftHalf) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "x.safetensors";
  EXPECT_THROW(write_safetensors(path, {{"a", "U8", {1}}},
                                 [](size_t) -> std::string { throw Error("unreadable"); }),
               Error);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

}  // namespace
}  // namespace assay
