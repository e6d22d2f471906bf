#include "harness/run/audit.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/pool.h"

namespace assay {
namespace {

bool by_content(const RecordRef& a, const RecordRef& b) {
  return std::tie(a.info().digest, a.info().id) < std::tie(b.info().digest, b.info().id);
}

// The cell's part of a set: the lowest hash(seed, id), so that a smaller count is part of a larger.
std::vector<RecordRef> take(const Records& set, bool member, std::optional<int64_t> count,
                            uint64_t seed) {
  std::vector<int64_t> positions(set.infos.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i);
  if (count && *count < static_cast<int64_t>(positions.size())) {
    std::vector<std::pair<uint64_t, int64_t>> keys;
    for (const int64_t position : positions) {
      keys.emplace_back(draw_key(seed, set.infos[static_cast<size_t>(position)].id), position);
    }
    std::sort(keys.begin(), keys.end());
    positions.clear();
    for (int64_t i = 0; i < *count; ++i) positions.push_back(keys[static_cast<size_t>(i)].second);
  }
  std::vector<RecordRef> records;
  for (const int64_t position : positions) records.push_back({&set, position, member});
  return records;
}

// The first record of each value of a field. By content and label (`digest`) a copy is no record of
// its own, neither for bounds nor for halves; with another label it is one, and may be the best
// known of all. Whoever sends records sends their `content` alone.
std::vector<RecordRef> distinct(std::vector<RecordRef> records,
                                std::string SampleInfo::*field = &SampleInfo::digest) {
  std::set<std::string_view> known;
  std::erase_if(
      records, [&](const RecordRef& record) { return !known.insert(record.info().*field).second; });
  return records;
}

// All records of the data set that plays a role, in its order.
std::vector<const SampleInfo*> whole(const AttackSpec& spec, const RecordSets& sets,
                                     const std::string& role) {
  const std::string& name = spec.sets.at(role);
  std::vector<std::pair<int64_t, const SampleInfo*>> found;
  const auto add = [&](const std::map<std::string, Records>& from) {
    const auto records = from.find(name);
    for (size_t i = 0; records != from.end() && i < records->second.infos.size(); ++i) {
      found.emplace_back(records->second.indices[i], &records->second.infos[i]);
    }
  };
  if (role == "pool") {
    add(sets.pools);
  } else {
    add(sets.audited);
    add(sets.left_out);
  }
  std::sort(found.begin(), found.end());
  std::vector<const SampleInfo*> infos;
  for (const auto& [index, info] : found) infos.push_back(info);
  return infos;
}

// Content that two roles share would count as seen and unseen at once.
void refuse_overlap(const AttackSpec& spec, const RecordSets& sets, const std::string& here,
                    const std::string& there) {
  if (!spec.sets.contains(here) || !spec.sets.contains(there)) return;
  std::unordered_map<std::string_view, const SampleInfo*> known;
  for (const SampleInfo* info : whole(spec, sets, here)) known.emplace(info->content, info);
  int64_t shared = 0;
  const SampleInfo* first = nullptr;
  for (const SampleInfo* info : whole(spec, sets, there)) {
    if (!known.contains(info->content)) continue;
    if (first == nullptr) first = info;
    ++shared;
  }
  if (first == nullptr) return;
  throw Error(spec.where, "`" + here + "` and `" + there + "` share " + std::to_string(shared) +
                              (shared == 1 ? " record" : " records") +
                              " by content, the first being " + known.at(first->content)->id +
                              " of `" + spec.sets.at(here) + "` and " + first->id + " of `" +
                              spec.sets.at(there) + "`; take them out of one of the sets");
}

void check_images(const Suite& suite, const AttackSpec& spec, const Inference& inference) {
  if (inference.views == 1 || suite.model.shape.size() == 3) return;
  throw Error(spec.where, "`views: " + std::to_string(inference.views) +
                              "` needs images [channels, height, width]; say `views: 1`");
}

// Records of the pool that the candidate has not seen: an online one may hold members that the cell
// leaves out. The pool is in the order of its content, which is as good as a draw.
void add_population(const AttackSpec& spec, const RecordSets& sets,
                    const std::vector<RecordRef>& pool, Audit* audit) {
  std::set<std::string_view> seen;
  for (const SampleInfo* info : whole(spec, sets, "members")) seen.insert(info->content);
  const bool trains = audit->shadows.count > 0;
  const size_t begin = audit->training.size() - (trains ? pool.size() : 0);
  for (size_t i = 0, left = kPopulation; i < pool.size() && left > 0; ++i) {
    if (seen.contains(pool[i].info().content)) continue;
    if (trains) audit->training_record[begin + i] = static_cast<int64_t>(audit->records.size());
    audit->records.push_back(pool[i]);
    --left;
  }
}

// Where an entry, or `defaults`, says on how many records a shadow is trained.
Where train_records_at(const AttackSpec& spec) {
  const Value* value = spec.entry.find("train_records");
  return value == nullptr ? spec.where : value->where;
}

void check_training(const AttackSpec& spec, const Inference& inference, int64_t most) {
  if (most < 4) throw Error(spec.where, "shadow models need at least 4 records to train on");
  const int64_t wanted = inference.shadows.train_records;
  const std::string text = "`train_records` is " + std::to_string(wanted) + ", and the pool has " +
                           std::to_string(most) + " records";
  if (wanted > most) throw Error(train_records_at(spec), text);
  if (wanted == most && inference.population && !inference.shadows.online) {
    throw Error(train_records_at(spec),
                text + "; `" + spec.attack + "` also needs some that its shadow models have not " +
                    "seen: say " + std::to_string(most - 1) + " at most, or 0 for half of them");
  }
}

// Of the population, which may be a part of the pool, some must have been seen by a shadow and some
// not: without them there is nothing to compare with.
void check_population(const AttackSpec& spec, const Audit& audit) {
  const auto first = audit.audited;
  const auto all = static_cast<int64_t>(audit.records.size()) - first;
  bool some_in = false;
  bool some_out = false;
  for (int64_t shadow = 0; shadow < audit.shadows.count && !(some_in && some_out); ++shadow) {
    int64_t in = 0;
    for (const int64_t row : trained_on(audit, shadow)) {
      in += audit.training_record[static_cast<size_t>(row)] >= first ? 1 : 0;
    }
    some_in = some_in || in > 0;
    some_out = some_out || in < all;
  }
  if (some_in && some_out) return;
  throw Error(train_records_at(spec),
              "shadow models have seen " + std::string(some_in ? "all" : "none") + " of the " +
                  std::to_string(all) + " records of `pool` that `" + spec.attack +
                  "` compares with; " + (some_in ? "lower" : "raise") +
                  " `train_records`, or say 0 for half of the pool");
}

}  // namespace

Audit make_audit(const Suite& suite, const AttackSpec& spec, const Inference& inference,
                 const RecordSets& sets) {
  check_images(suite, spec, inference);
  Audit audit;
  audit.shadows = inference.shadows;
  audit.features = inference.features;
  audit.seed = suite.seed;
  const auto audited = [&](const char* role, bool member) {
    return distinct(take(sets.audited.at(spec.sets.at(role)), member, spec.count, suite.seed));
  };
  const std::vector<RecordRef> members = audited("members", true);
  const std::vector<RecordRef> non_members = audited("non_members", false);
  refuse_overlap(spec, sets, "members", "non_members");
  std::vector<RecordRef> pool;
  if (const auto name = spec.sets.find("pool"); name != spec.sets.end()) {
    pool = distinct(take(sets.pools.at(name->second), false, {}, suite.seed));
  }
  const bool online = inference.shadows.count > 0 && inference.shadows.online;
  if (!online) {
    refuse_overlap(spec, sets, "members", "pool");
    refuse_overlap(spec, sets, "non_members", "pool");
  }
  audit.records = members;
  audit.records.insert(audit.records.end(), non_members.begin(), non_members.end());
  audit.audited = static_cast<int64_t>(audit.records.size());
  std::sort(audit.records.begin(), audit.records.end(), by_content);
  std::set<std::string_view> known;
  for (const RecordRef& record : audit.records) known.insert(record.info().content);
  std::erase_if(pool,
                [&](const RecordRef& record) { return known.contains(record.info().content); });
  std::sort(pool.begin(), pool.end(), by_content);

  if (inference.shadows.count > 0) {
    if (online) {
      for (size_t i = 0; i < audit.records.size(); ++i) {
        audit.training.push_back(audit.records[i]);
        audit.training_record.push_back(static_cast<int64_t>(i));
      }
    }
    audit.training.insert(audit.training.end(), pool.begin(), pool.end());
    audit.training_record.resize(audit.training.size(), -1);
    for (const RecordRef& record : audit.training) {
      audit.training_keys.push_back(hash64(record.info().digest));
    }
    check_training(spec, inference, static_cast<int64_t>(audit.training.size()));
  }
  if (inference.population) add_population(spec, sets, pool, &audit);
  if (inference.population && inference.shadows.count > 0 && !online) {
    check_population(spec, audit);
  }
  return audit;
}

void refuse_seen(const AttackSpec& spec, const Audit& audit, const Records& pool,
                 const std::string& name) {
  std::set<std::string_view> known;
  for (const SampleInfo& info : pool.infos) known.insert(info.content);
  for (int64_t i = 0; i < audit.audited; ++i) {
    const SampleInfo& info = audit.records[static_cast<size_t>(i)].info();
    if (!known.contains(info.content)) continue;
    throw Error(spec.where, "`references: " + spec.references + "` was stolen with the pool `" +
                                name + "`, which has the audited record " + info.id +
                                "; give the thief other records");
  }
}

Audit make_heist(const Suite& suite, const AttackSpec& spec, const Extraction& extraction,
                 const RecordSets& sets) {
  Audit audit;
  audit.seed = suite.seed;
  audit.records = take(sets.audited.at(spec.sets.at("test")), false, {}, suite.seed);
  audit.audited = static_cast<int64_t>(audit.records.size());
  if (audit.records.empty()) throw Error(spec.where, "the data set `test` has no records");
  if (const auto pool = spec.sets.find("pool");
      pool != spec.sets.end() && !sends_noise(suite, spec)) {
    audit.pool = &sets.pools.at(pool->second);
    audit.sent = distinct(take(*audit.pool, false, {}, suite.seed), &SampleInfo::content);
  }
  if (suite.monitors) {
    const std::string& benign = suite.monitors->benign;
    if (const auto pool = spec.sets.find("pool");
        pool != spec.sets.end() && pool->second == benign) {
      throw Error(suite.monitors->where, "`benign` is `" + benign + "`, the pool that `" +
                                             spec.name + "` sends; name another data set");
    }
    audit.benign = &sets.pools.at(benign);
  }
  for (const int64_t budget : extraction.budgets) {
    for (int64_t seed = 0; seed < extraction.seeds; ++seed) {
      audit.steals.push_back({budget, seed});
    }
  }
  if (!extraction.surrogate) return audit;
  // The lowest keys, so that fewer are part of more.
  for (const RecordRef& record :
       take(*audit.records.front().set, false, extraction.transfer_count, suite.seed)) {
    audit.transfer.push_back(record.position);
  }
  std::sort(audit.transfer.begin(), audit.transfer.end());
  return audit;
}

std::vector<int64_t> trained_on(const Audit& audit, int64_t shadow) {
  const bool online = audit.shadows.online;
  const auto all = static_cast<int64_t>(audit.training.size());
  const int64_t half = all / 2;
  const int64_t wanted = audit.shadows.train_records > 0 ? audit.shadows.train_records : half;
  // A pair of shadows shares one order. The first takes its head and the second its tail: online a
  // half each, offline with as few records in common as the pool allows.
  const Rng rng(audit.seed, "shadows", 0);
  const int64_t order = shadow / 2;
  std::vector<std::pair<double, int64_t>> keys;
  for (int64_t i = 0; i < all; ++i) {
    const uint64_t key = audit.training_keys[static_cast<size_t>(i)];
    keys.emplace_back(rng.uniform(key, order, online ? 1 : 0), i);
  }
  std::sort(keys.begin(), keys.end());
  const bool second = shadow % 2 == 1;
  const int64_t begin = !second ? 0 : online ? half : all - wanted;
  const int64_t end = second ? all : online ? half : wanted;
  std::vector<int64_t> rows;
  for (int64_t i = begin; i < end; ++i) rows.push_back(keys[static_cast<size_t>(i)].second);
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::pair<at::Tensor, at::Tensor> read_records(const std::vector<RecordRef>& records) {
  // One read per data set, then put in order.
  std::map<const Records*, std::vector<size_t>> by_set;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < records.size(); ++i) {
    by_set[records[i].set].push_back(i);
    labels.push_back(records[i].info().label);
  }
  std::vector<at::Tensor> parts;
  std::vector<int64_t> places(records.size());
  int64_t next = 0;
  for (const auto& [set, rows] : by_set) {
    std::vector<int64_t> indices;
    for (const size_t row : rows) {
      indices.push_back(set->indices[static_cast<size_t>(records[row].position)]);
      places[row] = next++;
    }
    parts.push_back(set->dataset->read(indices));
  }
  const at::Tensor x = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
  return {x.index_select(0, at::tensor(places, at::kLong)), at::tensor(labels, at::kLong)};
}

}  // namespace assay
