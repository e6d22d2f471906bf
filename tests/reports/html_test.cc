// report.html as text, and as headless Chromium shows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "reports/markup.h"
#include "tests/reports/chromium.h"
#include "tests/reports/extraction_report.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Sample;

using Maker = std::unique_ptr<Sample> (*)();
const std::vector<Maker> kMakers = {
    testing::passing, testing::failing,         testing::inconclusive, testing::incomplete,
    testing::refused, testing::audited_members, testing::stolen_models};

constexpr const char* kEvil = "<img src=x onerror=\"document.title='owned'\"><script>1</script>";

/// An audit whose scores say yes or no: to each of 12,000 members the same.
std::unique_ptr<Sample> tied_members() {
  auto s = testing::audited_members();
  s->evidence = testing::make_audit(12000, 1000);
  testing::add_scores(s->evidence, "gap", std::vector<double>(12000, 1), testing::ramp(1000, 0));
  s->suite = testing::make_suite(s->evidence);
  s->decision = decide(s->suite, s->evidence, nullptr);
  return s;
}

/// Every text that a user, a file or a model can choose.
std::unique_ptr<Sample> hostile() {
  auto s = testing::failing();
  s->suite.name += kEvil;
  s->evidence.header.model.path += kEvil;
  s->report.baseline_path += kEvil;
  s->report.started = kEvil;
  s->report.set = {kEvil};
  s->evidence.header.device = kEvil;
  s->evidence.header.libtorch = kEvil;
  for (SampleInfo& sample : s->evidence.header.samples) sample.id += kEvil;
  for (std::string& name : s->evidence.header.class_names) name += kEvil;
  for (size_t i = 0; i < s->decision.cells.size(); ++i) {
    CellHeader& header = s->evidence.header.cells[i];
    header.name += kEvil;
    header.attack += kEvil;
    header.version += kEvil;
    header.params["loss"] = std::string(kEvil);
    header.taxonomy["atlas"] = kEvil;
    s->decision.cells[i].name += kEvil;
    s->decision.cells[i].baseline_reason = kEvil;
    s->decision.cells[i].stages = {{kEvil, 3, 2}};
    s->decision.cells[i].metrics["auc"] = {.reason = kEvil};
  }
  for (RuleResult& rule : s->decision.rules) {
    rule.cell += kEvil;
    rule.metric += kEvil;
    rule.reason = rule.hint = kEvil;
  }
  s->decision.reason = kEvil;
  for (Flag& flag : s->decision.flags) flag = {kEvil, kEvil, kEvil, kEvil};
  for (Picture& picture : s->report.pictures) picture.cell += kEvil;
  for (UnitResult& unit : s->evidence.units) {
    for (Verdict& row : unit.rows) row.breaking_attack = kEvil;
  }
  return s;
}

TEST(ReportHtml, LoadsNothingFromOutside) {
  for (const Maker make : kMakers) {
    const std::string html = report_html(make()->report);
    EXPECT_THAT(html, Not(::testing::ContainsRegex("https?://")));
    EXPECT_THAT(html, Not(HasSubstr("<script")));
    EXPECT_THAT(html, Not(HasSubstr("@import")));
    EXPECT_THAT(html, Not(HasSubstr("url(")));
    EXPECT_THAT(html, HasSubstr("Content-Security-Policy\" content=\"default-src 'none'; "
                                "img-src data:; style-src 'unsafe-inline'"));
    static const std::regex kReference("(src|href)=\"([^\"]*)\"");
    for (std::sregex_iterator it(html.begin(), html.end(), kReference), end; it != end; ++it) {
      const std::string address = (*it)[2];
      EXPECT_TRUE(address.starts_with("data:image/png;base64,") || address.starts_with("#"))
          << address.substr(0, 80);
    }
  }
}

TEST(ReportHtml, ReferencesOnlySectionsThatExist) {
  for (const Maker make : kMakers) {
    const std::string html = report_html(make()->report);
    if (html.find("href=\"#rules\"") == std::string::npos) continue;
    EXPECT_THAT(html, HasSubstr("id=\"rules\""));
  }
}

TEST(ReportHtml, SaysTheDecisionWhyAndWhatToDoBeforeAnythingElse) {
  const std::string html = report_html(testing::failing()->report);
  const size_t title = html.find(">Do not promote<"), why = html.find("fell by 64.2 points"),
               steps = html.find("What to do"), samples = html.find("id=\"regressed\""),
               rules = html.find("id=\"rules\"");
  ASSERT_NE(rules, std::string::npos);
  EXPECT_LT(title, why);
  EXPECT_LT(why, steps);
  EXPECT_LT(steps, samples);
  EXPECT_LT(samples, rules);
  EXPECT_THAT(html, HasSubstr("beyond the limit by at least 59.8 points"));
}

TEST(ReportHtml, ShowsThePredictionsOfARegressedSampleByClassName) {
  const std::string html = report_html(testing::failing()->report);
  EXPECT_THAT(html, HasSubstr("clean<b>Pullover</b>"));
  EXPECT_THAT(html, HasSubstr("adversarial<b>Sandal</b>"));
  EXPECT_THAT(html, HasSubstr("difference<b>×5</b>"));
}

TEST(ReportHtml, ShowsARowOfFeaturesAsATable) {
  auto s = testing::failing();
  s->report.pictures = {{"pgd@0.1", 2, {3}, {0.1f, 0.5f, 0.9f}, {0.1f, 0.25f, 0.95f}}};
  const std::string html = report_html(s->report);
  EXPECT_THAT(html, HasSubstr("class=\"features\""));
  EXPECT_LT(html.find("<td>1</td><td class=\"right\">0.5</td>"),
            html.find("<td>2</td><td class=\"right\">0.9</td>"));
  EXPECT_THAT(html, Not(HasSubstr("class=\"shots\"")));
}

TEST(ReportHtml, LeavesOutAPictureThatDoesNotFillItsShape) {
  auto s = testing::failing();
  s->report.pictures.resize(1);
  s->report.pictures[0].adversarial.pop_back();
  EXPECT_THAT(report_html(s->report), Not(HasSubstr("class=\"shots\"")));
}

TEST(ReportHtml, SaysThatPerturbationsAreOfTheirOwn) {
  auto s = testing::failing();
  s->evidence.header.cells[0].threat.eps.reset();
  s->evidence.header.cells[0].threat.unbounded = true;
  const std::string html = report_html(s->report);
  EXPECT_THAT(html, HasSubstr("perturbations of its own, untargeted, gradient access"));
  EXPECT_THAT(html, Not(HasSubstr("smallest change")));
}

TEST(ReportHtml, SurvivesNumbersThatAreNotFinite) {
  auto s = testing::failing();
  const double nan = std::nan("");
  s->decision.cells[0].metrics["robust_accuracy"].value = nan;
  s->decision.cells[0].curve = {{nan, nan, nan, nan}};
  s->decision.cells[0].cost.time_s = nan;
  s->decision.rules[0].value = s->decision.rules[0].lower = nan;
  s->report.pictures[0].clean[0] = std::nanf("");
  const std::string html = report_html(s->report);
  EXPECT_THAT(html, Not(::testing::ContainsRegex("[\",> ]-?nan[\",< ]")));
}

TEST(ReportHtml, EscapesNamesOfRecordsAndShadows) {
  auto s = testing::audited_members();
  MembershipResult& result = *s->decision.cells[0].membership;
  result.exposed[0].id = result.fidelity->architecture = result.fidelity->reason = kEvil;
  result.not_comparable = s->decision.cells[0].name = kEvil;
  EXPECT_THAT(report_html(s->report), Not(HasSubstr("<img src=x")));
}

TEST(ReportHtml, ShowsAMembershipAuditWithNamesAndNoContents) {
  const std::string html = report_html(testing::audited_members()->report);
  const std::string part = html.substr(html.find("id=\"membership\""));
  EXPECT_THAT(part, HasSubstr("aria-label=\"ROC of lira\""));
  EXPECT_THAT(part, HasSubstr("<polyline class=\"line baseline\""));
  EXPECT_THAT(part, HasSubstr("<code>1199</code>"));
  EXPECT_THAT(part, HasSubstr("16 shadows of cnn: the candidate is frozen"));
  EXPECT_THAT(part, HasSubstr("1,199 members and 1,000 non-members"));
  EXPECT_THAT(part, HasSubstr("realised FPR"));
  EXPECT_THAT(part, HasSubstr("Of the 22 records that score highest"));
  EXPECT_THAT(part, Not(HasSubstr("<img")));
  EXPECT_THAT(report_html(testing::failing()->report), Not(HasSubstr("id=\"membership\"")));
}

TEST(ReportHtml, NamesNoneOfTheRecordsThatTieBeyondItsTable) {
  auto s = tied_members();
  const std::string all = report_html(s->report);
  EXPECT_THAT(all, HasSubstr("12,000 members tie at the top with a score of 1"));
  EXPECT_THAT(all, Not(HasSubstr("<td><code>0</code></td>")));
  // Three stand out, and one more than the table holds follow.
  std::vector<ExposedRecord>& exposed = s->decision.cells[0].membership->exposed;
  exposed.resize(60);
  for (size_t i = 0; i < exposed.size(); ++i) {
    exposed[i].id = "record" + std::to_string(i);
    exposed[i].score = i < 3 ? 9.0 - static_cast<double>(i) : 5;
    exposed[i].tied = i < 3 ? 1 : 48;
  }
  const std::string some = report_html(s->report);
  EXPECT_THAT(some, HasSubstr("<code>record2</code>"));
  EXPECT_THAT(some, Not(HasSubstr("<code>record3</code>")));
  EXPECT_THAT(some, HasSubstr("48 members tie next with a score of 5"));
  // A tie that fits is named, whatever follows it.
  for (size_t i = 3; i < exposed.size(); ++i) {
    exposed[i].score = i < 50 ? 5 : 4;
    exposed[i].tied = i < 50 ? 47 : 10;
  }
  const std::string fitting = report_html(s->report);
  EXPECT_THAT(fitting, HasSubstr("<code>record49</code>"));
  EXPECT_THAT(fitting, HasSubstr("the first 50 of 60; report.json has all"));
}

TEST(ReportHtml, TellsTheWholeCommandOfTheSameRun) {
  auto s = testing::passing();
  EXPECT_THAT(report_html(s->report), Not(HasSubstr(" --set ")));
  s->report.set = {"attacks.pgd.eps=5", "model.classes=[it's, \"b\"]"};
  s->report.part = "1/3";
  EXPECT_THAT(report_html(s->report),
              HasSubstr(" --set attacks.pgd.eps=5 --set &#39;model.classes=[it&#39;\\&#39;&#39;s, "
                        "&quot;b&quot;]&#39; --shard 1/3\n"));
}

TEST(Markup, Base64FollowsTheVectorsOfRfc4648) {
  EXPECT_EQ(reports::base64(""), "");
  EXPECT_EQ(reports::base64("f"), "Zg==");
  EXPECT_EQ(reports::base64("fo"), "Zm8=");
  EXPECT_EQ(reports::base64("foo"), "Zm9v");
  EXPECT_EQ(reports::base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(reports::base64("\xff\xfe"), "//4=");
}

TEST(Markup, CleanTextIsUtf8WithoutForbiddenCharacters) {
  EXPECT_EQ(reports::clean_text("é € 😀\t\n"), "é € 😀\t\n");
  EXPECT_EQ(reports::clean_text("a\x07"
                                "b\x7f"),
            "ab");
  EXPECT_EQ(reports::clean_text("\xc0\xaf"), "\xEF\xBF\xBD\xEF\xBF\xBD");          // overlong
  EXPECT_EQ(reports::clean_text("\xed\xa0\x80").find("\xed"), std::string::npos);  // surrogate
  EXPECT_EQ(reports::clean_text("\xe2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");          // cut short
  EXPECT_EQ(reports::clean_text("\xEF\xBF\xBF"), "");
}

/// A page with the reports in frames of one width, which measures them with all details open.
std::string frames(const std::vector<std::string>& pages, int width) {
  std::string html = "<!doctype html><body style='margin:0'>";
  for (const std::string& page : pages) {
    html += "<iframe style='border:0;width:" + std::to_string(width) +
            "px;height:900px' srcdoc=\"" + reports::escape(page) + "\"></iframe>";
  }
  return html + R"(<pre id="out"></pre><script>
    addEventListener('load', () => {
      let text = '';
      for (const frame of document.querySelectorAll('iframe')) {
        const page = frame.contentDocument;
        page.querySelectorAll('details').forEach(d => d.open = true);
        const images = [...page.images];
        const outside = text => {
          const box = text.getBBox(), view = text.ownerSVGElement.viewBox.baseVal;
          return box.x < view.x || box.x + box.width > view.x + view.width ||
            box.y < view.y || box.y + box.height > view.y + view.height;
        };
        text += 'frame decision=' + page.body.dataset.decision +
          ' over=' + Math.max(0, page.documentElement.scrollWidth - frame.clientWidth) +
          ' clipped=' + [...page.querySelectorAll('svg text')].filter(outside).length +
          ' hidden=' + [...page.querySelectorAll('#rules .scroll')].filter(
            box => box.scrollWidth > box.clientWidth).length +
          ' tall=' + (page.documentElement.scrollHeight > 400) +
          ' images=' + images.length +
          ' shown=' + images.filter(i => i.complete && i.naturalWidth > 0).length +
          ' scripts=' + page.scripts.length + ' owned=' + (page.title == 'owned') +
          ' h1=' + page.querySelectorAll('h1').length + ';\n';
      }
      document.getElementById('out').textContent = text;
    });
  </script>)";
}

TEST(ReportHtmlInChromium, NeverOverflowsNorHidesAReasonOnPhoneOrDesktop) {
  std::vector<std::string> pages = {report_html(tied_members()->report)};
  for (const Maker make : kMakers) pages.push_back(report_html(make()->report));
  auto wordy = testing::failing();
  for (RuleResult& rule : wordy->decision.rules) rule.reason = std::string(300, 'w');
  wordy->decision.reason = wordy->suite.name = std::string(300, 'w');
  wordy->evidence.header.model.path = std::string(300, 'p');
  pages.push_back(report_html(wordy->report));
  const std::string sound_page = " over=0 clipped=0 hidden=0 tall=true";
  for (const int width : {320, 400, 720, 900, 1150, 1180, 1280}) {
    const std::string dom = testing::browse(frames(pages, width), "--window-size=1400,900");
    for (const char* outcome : {"pass", "fail", "inconclusive", "incomplete", "refused"}) {
      EXPECT_THAT(dom, HasSubstr(std::string("frame decision=") + outcome + sound_page)) << width;
    }
    EXPECT_EQ(testing::occurrences(dom, sound_page), pages.size())
        << width << dom.substr(dom.find("id=\"out\""));
  }
}

TEST(ReportHtmlInChromium, ShowsEveryImageAndRunsNothing) {
  const std::vector<std::string> pages = {report_html(testing::failing()->report),
                                          report_html(hostile()->report)};
  const std::string dom = testing::browse(frames(pages, 800), "--window-size=900,900");
  const std::string expected = " images=15 shown=15 scripts=0 owned=false h1=1;";
  EXPECT_NE(dom.find(expected), std::string::npos) << dom.substr(dom.find("id=\"out\""));
  EXPECT_NE(dom.find(expected), dom.rfind(expected)) << dom.substr(dom.find("id=\"out\""));
}

TEST(ReportHtmlInChromium, PaintsThePageInLightAndDark) {
  const testing::TempFolder folder;
  unsigned corner[2] = {0, 0};
  for (const int light : {0, 1}) {
    const auto file = folder.path() / ("shot" + std::to_string(light) + ".png");
    testing::browse(
        report_html(testing::failing()->report),
        "--window-size=1280,2000 --blink-settings=preferredColorScheme=" + std::to_string(light),
        file);
    const testing::Screenshot shot = testing::read_png(file);
    ASSERT_EQ(shot.width, 1280u);
    ASSERT_EQ(shot.height, 2000u);
    EXPECT_GT(shot.colours().size(), 200u) << "a blank page has a handful of colours";
    corner[light] = shot.at(2, 1990);
  }
  EXPECT_EQ(corner[0], 0x0f141au);
  EXPECT_EQ(corner[1], 0xf4f5f7u);
}

}  // namespace
}  // namespace assay
