#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/record/encoding.h"
#include "harness/record/evidence.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// The message of the Error that parsing throws; "" if it throws none.
std::string parse_failure(const std::string& text) {
  try {
    parse_evidence(text, "run/evidence.jsonl");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin) + 1;
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return lines;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

/// Evidence text with valid sums over whatever bodies: what only deeper checks can refuse.
std::string sealed(const std::vector<std::string>& bodies) {
  std::string text;
  std::string sum;
  for (const std::string& body : bodies) {
    sum = line_sum(sum, body);
    text += body.substr(0, body.size() - 1) + ",\"sum\":\"" + sum + "\"}\n";
  }
  return text;
}

std::vector<std::string> bodies(const Evidence& evidence) {
  std::vector<std::string> list = {header_text(evidence.header)};
  for (const UnitResult& unit : evidence.units) list.push_back(unit_text(unit));
  list.push_back(end_text({static_cast<int64_t>(evidence.units.size()), "", ""}));
  return list;
}

TEST(EvidenceText, ReadsBackToTheSameBytes) {
  Evidence evidence = sample_evidence();
  evidence.ended_early = "clean accuracy 0.1";
  evidence.interrupted = "SIGINT";
  const std::string text = to_text(evidence);
  const Evidence read = parse_evidence(text, "x");
  EXPECT_EQ(to_text(read), text);
  EXPECT_EQ(read.ended_early, "clean accuracy 0.1");
  EXPECT_EQ(read.interrupted, "SIGINT");
}

TEST(EvidenceText, EveryFieldOfTheHeaderSurvives) {
  const Header wrote = sample_header();
  const Header read = parse_evidence(to_text(sample_evidence()), "x").header;
  EXPECT_EQ(read.assay, wrote.assay);
  EXPECT_EQ(read.libtorch, wrote.libtorch);
  EXPECT_EQ(read.cpu_capability, wrote.cpu_capability);
  EXPECT_EQ(read.device, wrote.device);
  EXPECT_EQ(read.suite_name, wrote.suite_name);
  EXPECT_EQ(read.suite_sha256, wrote.suite_sha256);
  EXPECT_EQ(read.seed, wrote.seed);
  EXPECT_EQ(read.suite, wrote.suite);
  EXPECT_EQ(read.model.sha256, wrote.model.sha256);
  EXPECT_EQ(read.class_names, wrote.class_names);
  EXPECT_EQ(read.classes, wrote.classes);
  EXPECT_EQ(read.shape, wrote.shape);
  EXPECT_EQ(read.float64, wrote.float64);
  EXPECT_EQ(read.clean_units, wrote.clean_units);
  EXPECT_EQ(read.flags, wrote.flags);
  ASSERT_EQ(read.samples.size(), wrote.samples.size());
  EXPECT_EQ(read.samples[3].id, wrote.samples[3].id);
  EXPECT_EQ(read.samples[3].digest, wrote.samples[3].digest);
  EXPECT_EQ(read.samples[2].label, wrote.samples[2].label);
}

TEST(EvidenceText, EveryFieldOfACellSurvives) {
  const Header wrote = sample_header();
  const Header read = parse_evidence(to_text(sample_evidence()), "x").header;
  ASSERT_EQ(read.cells.size(), wrote.cells.size());
  for (size_t i = 0; i < wrote.cells.size(); ++i) {
    const CellHeader& a = read.cells[i];
    const CellHeader& b = wrote.cells[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.key, b.key);
    EXPECT_EQ(a.key_fields, b.key_fields);
    EXPECT_EQ(a.family, b.family);
    EXPECT_EQ(a.attack, b.attack);
    EXPECT_EQ(a.version, b.version);
    EXPECT_EQ(a.minimum_norm, b.minimum_norm);
    EXPECT_EQ(a.params, b.params);
    EXPECT_EQ(a.threat.norm, b.threat.norm);
    EXPECT_EQ(a.threat.eps, b.threat.eps);
    EXPECT_EQ(a.threat.unbounded, b.threat.unbounded);
    EXPECT_EQ(a.threat.lo, b.threat.lo);
    EXPECT_EQ(a.threat.hi, b.threat.hi);
    EXPECT_EQ(a.threat.goal, b.threat.goal);
    EXPECT_EQ(a.threat.target.kind, b.threat.target.kind);
    EXPECT_EQ(a.threat.target.label, b.threat.target.label);
    EXPECT_EQ(a.threat.access, b.threat.access);
    EXPECT_EQ(a.taxonomy, b.taxonomy);
    EXPECT_EQ(a.stages, b.stages);
    EXPECT_EQ(a.stage_access, b.stage_access);
    EXPECT_EQ(a.sets, b.sets);
    EXPECT_EQ(a.sample_scale, b.sample_scale);
    EXPECT_EQ(a.units, b.units);
  }
}

TEST(EvidenceText, SharesOfEpsThatDoNotFitTheSamplesAreRefused) {
  Evidence evidence = sample_evidence();
  std::vector<double>& shares = evidence.header.cells[2].sample_scale;
  shares[3] = 0;
  EXPECT_THAT(
      [&] { parse_evidence(to_text(evidence), "x"); },
      ThrowsMessage<Error>(HasSubstr("`sample_scale` of cell pgd has 0; expected above 0")));
  shares.pop_back();
  EXPECT_THAT([&] { parse_evidence(to_text(evidence), "x"); },
              ThrowsMessage<Error>(HasSubstr("3 shares for 4 samples")));
}

TEST(EvidenceText, AParameterKeepsItsTypeAndItsBits) {
  const Header read = parse_evidence(to_text(sample_evidence()), "x").header;
  const ParamMap& params = read.cells[0].params;
  EXPECT_TRUE(std::holds_alternative<double>(params.at("whole")));
  EXPECT_TRUE(std::holds_alternative<int64_t>(params.at("steps")));
  EXPECT_TRUE(std::holds_alternative<std::vector<int64_t>>(params.at("budgets")));
  EXPECT_TRUE(std::holds_alternative<std::vector<double>>(params.at("weights")));
  EXPECT_TRUE(std::signbit(std::get<std::vector<double>>(params.at("rates"))[2]));
}

TEST(EvidenceText, EveryFieldOfARowSurvives) {
  const Evidence wrote = sample_evidence();
  const Evidence read = parse_evidence(to_text(wrote), "x");
  ASSERT_EQ(read.units.size(), wrote.units.size());
  for (size_t i = 0; i < wrote.units.size(); ++i) {
    EXPECT_EQ(read.units[i].key, wrote.units[i].key);
    EXPECT_EQ(read.units[i].cell, wrote.units[i].cell);
    EXPECT_EQ(read.units[i].index, wrote.units[i].index);
    if (i != 4) {
      EXPECT_EQ(read.units[i].rows, wrote.units[i].rows);
    }
    EXPECT_EQ(read.units[i].tensors, wrote.units[i].tensors);
    EXPECT_EQ(read.units[i].scores, wrote.units[i].scores);
    EXPECT_EQ(read.units[i].failed_pool, wrote.units[i].failed_pool);
    EXPECT_EQ(read.units[i].tuned, wrote.units[i].tuned);
    EXPECT_EQ(read.units[i].fidelity.has_value(), wrote.units[i].fidelity.has_value());
    EXPECT_EQ(read.units[i].extracted.has_value(), wrote.units[i].extracted.has_value());
    EXPECT_EQ(read.units[i].monitored, wrote.units[i].monitored);
    EXPECT_EQ(read.units[i].diagnosis, wrote.units[i].diagnosis);
    EXPECT_EQ(read.units[i].flags, wrote.units[i].flags);
  }
  // Bytes that are not UTF-8 cannot stand in JSON; in a detail they become U+FFFD.
  std::vector<Verdict> expected = wrote.units[4].rows;
  expected[2].detail = "logits are \xEF\xBF\xBD not finite\n\"row 2\"";
  EXPECT_EQ(read.units[4].rows, expected);
  Fidelity fidelity = *wrote.units[6].fidelity;
  fidelity.reason = "the candidate \"}\xEF\xBF\xBD\" is frozen";
  EXPECT_EQ(read.units[6].fidelity, fidelity);
  Extracted extracted = *wrote.units[7].extracted;
  extracted.stolen[1].failure = "logits are \xEF\xBF\xBD not finite";
  EXPECT_EQ(read.units[7].extracted, extracted);
}

TEST(EvidenceText, AScoreOfARecordThatTheHeaderLacksOrTwiceIsRefused) {
  Evidence evidence = sample_evidence();
  evidence.units[6].scores[1].record = 2;
  EXPECT_THAT([&] { parse_evidence(to_text(evidence), "x"); },
              ThrowsMessage<Error>(HasSubstr("a score of record 2 in cell lira")));
  evidence.units[6].scores[1].record = 0;
  EXPECT_THAT([&] { parse_evidence(to_text(evidence), "x"); },
              ThrowsMessage<Error>(HasSubstr("record 0 of `train` is scored twice")));
  evidence.units[6].scores[1].member = false;  // another set, where record 0 stands already
  EXPECT_THAT([&] { parse_evidence(to_text(evidence), "x"); },
              ThrowsMessage<Error>(HasSubstr("record 0 of `held out` is scored twice")));
}

TEST(EvidenceText, EveryCountOfADiagnosisSurvivesAndZerosTakeNoBytes) {
  Evidence evidence = sample_evidence();
  EXPECT_THAT(unit_text(evidence.units[0]), HasSubstr("\"diagnosis\":{}"));
  int64_t value = 1;
  for (const DiagnosisField& field : kDiagnosisFields) {
    evidence.units[0].diagnosis = {};
    evidence.units[0].diagnosis.*field.field = value;
    const Evidence read = parse_evidence(to_text(evidence), "x");
    EXPECT_EQ(read.units[0].diagnosis, evidence.units[0].diagnosis) << field.name;
    value = value * 7 + 1;
  }
}

TEST(EvidenceText, NumbersAreTheShortestThatReadBack) {
  EXPECT_EQ(json_number(0.1), "0.1");
  EXPECT_EQ(json_number(1e-7), "1e-07");
  EXPECT_EQ(json_number(2.0), "2");
  EXPECT_EQ(json_number(8.0 / 255), "0.03137254901960784");
  EXPECT_EQ(json_number(std::numeric_limits<double>::infinity()), "null");
  for (const double value : {5e-324, 1.7976931348623157e308, 1152921504606846976.0, 1.0 / 3}) {
    Evidence evidence = sample_evidence();
    evidence.units[2].rows[0].distance = value;
    EXPECT_EQ(parse_evidence(to_text(evidence), "x").units[2].rows[0].distance, value);
  }
}

TEST(EvidenceText, HasTheSameBytesInWhateverOrderUnitsWereAdded) {
  Evidence evidence = sample_evidence();
  const std::string text = to_text(evidence);
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  do {
    Evidence shuffled = evidence;
    for (size_t i = 0; i < order.size(); ++i) shuffled.units[i] = evidence.units[order[i]];
    ASSERT_EQ(to_text(shuffled), text);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(EvidenceText, HoldsNoCostsAndNothingOfTheHost) {
  Evidence evidence = sample_evidence();
  const std::string text = to_text(evidence);
  for (UnitResult& unit : evidence.units) unit.cost = {};
  evidence.header.suite_folder = "/elsewhere";
  evidence.header.model.path = "/elsewhere/m.pt";
  EXPECT_EQ(to_text(evidence), text);
  EXPECT_THAT(text, Not(HasSubstr("time_s")));
}

TEST(EvidenceText, TruncationAtEveryByteIsRefused) {
  const std::string text = to_text(sample_evidence());
  for (size_t length = 0; length < text.size(); ++length) {
    ASSERT_THAT(parse_failure(text.substr(0, length)), StartsWith("run/evidence.jsonl:")) << length;
  }
}

TEST(EvidenceText, AFlippedBitAnywhereIsRefused) {
  const std::string text = to_text(sample_evidence());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = static_cast<char>(altered[i] ^ (1 << (i % 8)));
    ASSERT_THAT(parse_failure(altered), StartsWith("run/evidence.jsonl:")) << i;
  }
}

TEST(EvidenceText, ALineLostDoubledOrMovedIsRefused) {
  const std::vector<std::string> lines = split(to_text(sample_evidence()));
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto offset = static_cast<std::ptrdiff_t>(i);
    auto lost = lines;
    lost.erase(lost.begin() + offset);
    EXPECT_NE(parse_failure(join(lost)), "") << i;
    auto doubled = lines;
    doubled.insert(doubled.begin() + offset, lines[i]);
    EXPECT_NE(parse_failure(join(doubled)), "") << i;
    if (i == 0) continue;
    auto moved = lines;
    std::swap(moved[i - 1], moved[i]);
    EXPECT_NE(parse_failure(join(moved)), "") << i;
  }
}

TEST(EvidenceText, AnErrorNamesFileAndLine) {
  std::vector<std::string> lines = split(to_text(sample_evidence()));
  lines[3][20] = '#';
  EXPECT_THAT(parse_failure(join(lines)),
              AllOf(StartsWith("run/evidence.jsonl:4: "), HasSubstr("altered")));
  EXPECT_THAT(parse_failure(lines[0]),
              AllOf(StartsWith("run/evidence.jsonl:2: "), HasSubstr("truncated")));
}

TEST(EvidenceText, ForeignTextIsRefusedWithWhatWasExpected) {
  EXPECT_THAT(parse_failure(""), HasSubstr("empty"));
  EXPECT_THAT(parse_failure("{\"assay_report\":1}\n"), HasSubstr("not an evidence file"));
  EXPECT_THAT(parse_failure("{\"assay_evidence\":1}\n"),
              AllOf(HasSubstr("version `1`"), HasSubstr("reads version 2")));
  EXPECT_THAT(parse_failure("{\"assay_evidence\":2}\n"), HasSubstr("checksum"));
  EXPECT_THAT(parse_failure("cell,sample\n"), HasSubstr("not an evidence file"));
}

TEST(EvidenceText, CrLfIsRefusedWithTheCure) {
  std::string text;
  for (const char c : to_text(sample_evidence())) text += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_THAT(parse_failure(text), HasSubstr("CR LF"));
}

TEST(EvidenceText, RightSumsDoNotExcuseWrongContent) {
  const Evidence evidence = sample_evidence();
  const std::vector<std::string> good = bodies(evidence);
  ASSERT_EQ(parse_failure(sealed(good)), "");
  const auto failure = [&](size_t line, const std::string& body) {
    std::vector<std::string> bad = good;
    bad[line] = body;
    return parse_failure(sealed(bad));
  };
  UnitResult unit = evidence.units[0];
  unit.rows[0].sample = 4;
  EXPECT_THAT(failure(1, unit_text(unit)), HasSubstr("header lists 4 samples"));
  unit.rows[0].sample = -1;
  EXPECT_THAT(failure(1, unit_text(unit)), HasSubstr("sample -1"));
  unit.rows[0].sample = 1;
  EXPECT_THAT(failure(1, unit_text(unit)), HasSubstr("sample 1 occurs twice in the clean pass"));
  unit = evidence.units[0];
  unit.key = sha256("another run");
  EXPECT_THAT(failure(1, unit_text(unit)), HasSubstr("not one that the header lists"));
  EXPECT_THAT(failure(2, good[1]), HasSubstr("out of the header's order"));
  EXPECT_THAT(failure(6, end_text({4, "", ""})), HasSubstr("counts 4 units, found 5"));
  EXPECT_THAT(failure(1, "{\"unit\":5}"), HasSubstr("expected a string at byte 8"));
  EXPECT_THAT(failure(1, "{\"unit\":\"a\"}"), HasSubstr("expected `,\"cell\":`"));
  EXPECT_THAT(failure(1, "{broken}"), HasSubstr("found `{broken}`"));
  EXPECT_THAT(failure(0, "{\"assay_evidence\":2,broken}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure(0, "{\"assay_evidence\":2}"), HasSubstr("lacks the key `assay`"));
  std::string renamed = good[5];
  const size_t count = renamed.find("\"gradients\":1");
  ASSERT_NE(count, std::string::npos);
  EXPECT_THAT(failure(5, renamed.replace(count, 11, "\"gradient\"")), HasSubstr("expected `}`"))
      << "a count of another name is not skipped";
  std::vector<std::string> more = good;
  more.push_back(good.back());
  EXPECT_THAT(parse_failure(sealed(more)), HasSubstr("text after the end line"));
}

TEST(EvidenceText, WordsAndColumnsAreReadToTheLetter) {
  const Evidence evidence = sample_evidence();
  const std::vector<std::string> good = bodies(evidence);
  const auto failure = [&](const std::string& rows) {
    std::vector<std::string> bad = good;
    bad[1] = "{\"unit\":\"" + sha256("clean0") + "\",\"cell\":\"\",\"index\":0,\"rows\":" + rows +
             ",\"diagnosis\":{},\"flags\":[]}";
    return parse_failure(sealed(bad));
  };
  EXPECT_EQ(failure("{\"sample\":[0,1]}"), "");
  EXPECT_THAT(failure("{\"sample\":[0,1],\"status\":[\"safe\",\"robust\"]}"), HasSubstr("`safe`"));
  EXPECT_THAT(failure("{\"sample\":[0,1],\"clean\":[1]}"), HasSubstr("1 entries for 2 rows"));
  EXPECT_THAT(failure("{\"sample\":[0,1],\"clean\":[1,2,3]}"), HasSubstr("3 entries for 2"));
  EXPECT_THAT(failure("{\"sample\":[0,1],\"clean\":[1,1.5]}"), HasSubstr("expected `]`"));
  EXPECT_THAT(failure("{\"sample\":[0,1],\"clean\":[1,x]}"), HasSubstr("expected an integer"));
  for (const char* number : {"inf", "nan", "-inf", "-", "", "1e999", "\"1\""}) {
    EXPECT_THAT(failure("{\"sample\":[0,1],\"distance\":[1," + std::string(number) + "]}"),
                HasSubstr("expected a number or null"))
        << number;
  }
  EXPECT_THAT(failure("{\"sample\":[0,1],\"detail\":[\"\",\"\\q\"]}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure("{\"sample\":[0,1],\"score\":[1,2]}"), HasSubstr("expected `}`"));
  EXPECT_THAT(failure("{\"clean\":[0,1]}"), HasSubstr("expected `{\"sample\":`"));
}

TEST(EvidenceText, ANameThatIsNotUtf8IsRefusedBeforeAnythingIsWritten) {
  Evidence evidence = sample_evidence();
  evidence.header.samples[0].id = "caf\xe9.png";
  EXPECT_THROW(to_text(evidence), Error);
}

TEST(EvidenceTextDeathTest, WhatCannotBeTrueIsOurBug) {
  Evidence evidence = sample_evidence();
  evidence.units[2].rows[0].distance = std::nan("");
  EXPECT_DEATH(to_text(evidence), "NaN");
  evidence = sample_evidence();
  evidence.units.push_back(evidence.units[0]);
  EXPECT_DEATH(to_text(evidence), "twice");
  evidence = sample_evidence();
  evidence.units[0].key = sha256("unknown");
  EXPECT_DEATH(to_text(evidence), "not list");
}

}  // namespace
}  // namespace assay
