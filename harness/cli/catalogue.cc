// assay attacks and assay schema: what this build offers.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/monitor/monitor.h"
#include "harness/suite/param_text.h"

namespace assay {

/// What configs/attacks/NAME.yaml has under `defaults` and `attacks`. Written by CMake.
std::string attack_example(const std::string& name);

namespace {

std::string fallback_text(const ParamSpec& spec) {
  if (std::holds_alternative<std::monostate>(spec.fallback)) return "derived";
  std::string text = param_text(spec.fallback);
  if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

std::string range_text(const ParamSpec& spec) {
  std::string words;
  for (const std::string& choice : spec.choices) words += (words.empty() ? "" : "|") + choice;
  if (spec.type == ParamSpec::Type::kChoice) return words;
  const bool low = std::isfinite(spec.limits.least);
  const bool high = std::isfinite(spec.limits.most);
  if (low && high) {
    return number_text(spec.limits.least) + " … " + number_text(spec.limits.most) +
           (words.empty() ? "" : "|" + words);
  }
  if (low) return ">= " + number_text(spec.limits.least);
  if (high) return "<= " + number_text(spec.limits.most);
  return spec.type == ParamSpec::Type::kBoolean ? "true|false" : "";
}

std::string norms_text(const AttackInfo& info) {
  if (info.unbounded) return "none";
  std::string text;
  for (const Norm norm : info.norms)
    text += (text.empty() ? "" : " ") + std::string(to_string(norm));
  return text;
}

void print_list(const std::vector<Attack>& attacks) {
  for (const Attack& attack : attacks) {
    const AttackInfo& info = attack.info;
    std::printf("%-18s %-10s %-9s %s\n    %s\n", info.name.c_str(),
                std::string(to_string(info.family)).c_str(),
                std::string(to_string(info.access)).c_str(), norms_text(info).c_str(),
                wrapped(info.summary, 75, 4).c_str());
  }
}

// The example with its long lines broken: YAML does not mind where entries in braces are.
void print_example(const std::string& name) {
  constexpr size_t kWidth = 79;
  std::istringstream lines(attack_example(name));
  std::printf("\nexample:");
  for (std::string line; std::getline(lines, line);) {
    const size_t indent = line.find_first_not_of(' ');
    if (line.size() > kWidth && line.find('#') == std::string::npos) {
      line = line.substr(0, indent) + wrapped(line, kWidth - indent - 4, indent + 4);
    }
    std::printf("%s\n", line.c_str());
  }
}

void print_attack(const AttackInfo& info) {
  std::printf("%s\n\n", wrapped(info.name + ": " + info.summary, 79, 2).c_str());
  std::printf("  family    %s%s\n", std::string(to_string(info.family)).c_str(),
              info.minimum_norm ? ", minimum norm" : "");
  std::printf("  access    %s\n", std::string(to_string(info.access)).c_str());
  if (info.family == Family::kEvasion) {
    std::printf("  norms     %s%s\n", norms_text(info).c_str(),
                info.unbounded ? ": a perturbation set of its own, without eps" : "");
    std::printf("  goals     untargeted%s\n", info.targeted ? ", targeted" : "");
  }
  std::printf("  paper     %s\n", wrapped(info.paper, 67, 12).c_str());
  std::printf("  cost      %s\n", wrapped(info.cost, 67, 12).c_str());
  std::string taxonomy;
  for (const auto& [name, value] : info.taxonomy) {
    taxonomy += (taxonomy.empty() ? "" : "; ") + name + " " + value;
  }
  std::printf("  taxonomy  %s\n", wrapped(taxonomy, 67, 12).c_str());
  std::printf("  version   %s\n\nparameters:\n", info.version.c_str());
  Params params;
  ThreatModel threat;
  threat.norm = info.norms.empty() ? Norm::kLinf : info.norms.front();
  threat.unbounded = info.unbounded;
  if (!info.minimum_norm && !info.unbounded) threat.eps = 0.1;
  threat.access = info.access;
  info.declare(params, threat);
  for (const ParamSpec& spec : params.specs()) {
    std::printf("  %-14s default %-8s %s\n      %s\n", spec.name.c_str(),
                fallback_text(spec).c_str(), range_text(spec).c_str(),
                wrapped(spec.help, 73, 6).c_str());
  }
  if (params.specs().empty()) std::printf("  none\n");
  std::printf("\nother keys of an entry:\n");
  for (const auto& [key, help] : harness_keys(info)) {
    std::printf("  %-14s %s\n", key.c_str(), wrapped(help, 62, 17).c_str());
  }
  print_example(info.name);
}

ExitCode show(const std::string& name) {
  const std::vector<Attack> attacks = with_ensemble(attack_table());
  if (name.empty()) {
    print_list(attacks);
    return ExitCode::kPass;
  }
  std::vector<std::string> names;
  for (const Attack& attack : attacks) {
    if (attack.info.name == name) {
      print_attack(attack.info);
      return ExitCode::kPass;
    }
    names.push_back(attack.info.name);
  }
  throw Error("no attack `" + name + "` in this build" + suggest(name, names));
}

}  // namespace

Command add_attacks(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("attacks", "list the attacks, or describe one");
  command->add_option("name", *name, "the attack to describe")->type_name("");
  return {command, [name] { return show(*name); }};
}

Command add_schema(CLI::App& app) {
  CLI::App* command = app.add_subcommand("schema", "print the JSON Schema of suites, for editors");
  return {command, [] {
            std::cout << suite_schema(infos_of(with_ensemble(attack_table())), monitor_infos());
            return ExitCode::kPass;
          }};
}

}  // namespace assay
