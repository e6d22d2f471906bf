#include "harness/cli/suite_options.h"

namespace assay {

void add_suite_options(CLI::App* command, std::string* suite, Overrides* overrides) {
  command->add_option("suite", *suite, "the suite, a YAML file")->required()->type_name("FILE");
  command->add_option("--model", overrides->model, "the candidate, not model.path")
      ->type_name("FILE");
  command
      ->add_option(
          "--baseline", overrides->baseline,
          "a model, run folder or evidence file, not the\nsuite's; or none, for a first run")
      ->type_name("X|none");
  command
      ->add_option("--set", overrides->set,
                   "replace a part of the suite, e.g.\nattacks.pgd.steps=10; may be repeated")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
}

}  // namespace assay
