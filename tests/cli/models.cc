// Writes the models and images that the tests of the program share, once.
#include "tests/testing/models.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/script.h>
#include <torch/serialize.h>

#include <cmath>
#include <cstdio>
#include <fstream>

namespace {

namespace fs = std::filesystem;
using assay::testing::save_module;

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

// Class 1 is right of x0 = line; the second input says nothing.
void save_plane(const fs::path& path, const std::string& forward, double line = 0.5) {
  const auto offset = static_cast<float>(4 * line);
  save_module(path, "def forward(self, x):\n" + forward,
              {{"weight", at::tensor({-4.0F, 4.0F, 0.0F, 0.0F}).reshape({2, 2})},
               {"bias", at::tensor({offset, -offset})}});
}

// What models ask of the machine that it has not, and what ends or holds up the process.
void save_fatal_planes(const fs::path& folder) {
  const std::string linear = "  return x @ self.weight + self.bias\n";
  // On sample 3: more than any machine has, and words that only sound like it.
  const std::string on_one = "  if bool((torch.abs(x[:, 1] - 0.03) < 1e-6).any()):\n";
  save_plane(folder / "hungry_on_one.pt",
             on_one + "    x = x + torch.zeros([100000, 100000, 100]).sum()\n" + linear);
  save_plane(folder / "forgetful_on_one.pt",
             on_one + "    assert False, 'sensor table: cannot allocate memory'\n" + linear);
  save_plane(folder / "starved.pt",
             "  if bool((x[:, 0] > -1.0).any()):\n"
             "    assert False, \"DefaultCPUAllocator: can't allocate memory: you tried to "
             "allocate 4096 bytes.\"\n" +
                 linear);
  // Reads far outside of its input's memory: no exception, the process is gone.
  const auto crashes_where = [&](const std::string& name, const std::string& condition) {
    save_plane(folder / name, "  if bool((" + condition +
                                  ").any()):\n"
                                  "    y = torch._reshape_alias(x, [2000000000, 2], [2, 1])\n"
                                  "    x = x + y.sum()\n" +
                                  linear);
  };
  crashes_where("crashes_on_one.pt", "torch.abs(x[:, 1] - 0.03) < 1e-6");
  crashes_where("crashes_under_attack.pt", "torch.abs(x[:, 0] - 0.3) < 1e-5");
  crashes_where("crashes_always.pt", "x[:, 0] > -1.0");
  // See exits.cc.
  const auto exits_where = [&](const std::string& name, const std::string& condition) {
    save_plane(folder / name,
               "  if bool((" + condition +
                   ").any()):\n"
                   "    x = x + torch.from_file('/nowhere/exit_0', False, x.size(0)).sum()\n" +
                   linear);
  };
  exits_where("exits_on_one.pt", "torch.abs(x[:, 1] - 0.03) < 1e-6");
  exits_where("exits_always.pt", "x[:, 0] > -1.0");
  const auto loops_where = [&](const std::string& name, const std::string& condition) {
    save_plane(folder / name, "  while bool((" + condition +
                                  ").any()):\n"
                                  "    x = x + 0.0\n" +
                                  linear);
  };
  loops_where("loops_on_one.pt", "torch.abs(x[:, 1] - 0.03) < 1e-6");
  loops_where("loops_under_attack.pt", "torch.abs(x[:, 0] - 0.3) < 1e-5");
}

void save_planes(const fs::path& folder) {
  const std::string linear = "  return x @ self.weight + self.bias\n";
  save_plane(folder / "right.pt", linear);
  save_plane(folder / "careless.pt", linear, 0.48);
  save_module(folder / "swapped.pt", "def forward(self, x):\n" + linear,
              {{"weight", at::tensor({4.0F, -4.0F, 0.0F, 0.0F}).reshape({2, 2})},
               {"bias", at::tensor({-2.0F, 2.0F})}});
  save_module(folder / "three_classes.pt", "def forward(self, x):\n" + linear,
              {{"weight", at::zeros({2, 3})}, {"bias", at::zeros({3})}});
  const std::string logits = "  z = x @ self.weight + self.bias\n";
  save_plane(folder / "nan.pt", logits + "  return z * float('nan')\n");
  save_plane(folder / "detached.pt", "  return x.detach() @ self.weight + self.bias\n");
  save_plane(folder / "constant.pt", "  return x * 0.0 @ self.weight + self.bias * 0.0 + 1.0\n");
  save_plane(folder / "softmax.pt", logits + "  return torch.softmax(z, 1)\n");
  save_plane(folder / "sigmoid.pt", logits + "  return z[:, 1:] - z[:, :1]\n");
  save_plane(folder / "tuple.pt", logits + "  return x, z\n");
  save_plane(folder / "dict.pt", logits + "  return {'features': x, 'logits': z}\n");
  save_plane(folder / "normalized.pt", "  return (x * 0.25 + 0.5) @ self.weight + self.bias\n");
  save_plane(folder / "dropout.pt",
             "  return torch.dropout(x, 0.05, True) @ self.weight + self.bias\n");
  save_plane(folder / "batch_norm.pt",
             "  y = torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)\n"
             "  return y @ self.weight\n");
  save_plane(folder / "batch_baked_in.pt", "  return x.view(4, 2) @ self.weight + self.bias\n");
  save_plane(folder / "dtype_baked_in.pt", "  return x.double() @ self.weight + self.bias\n");
  save_plane(folder / "hungry.pt",
             logits + "  return z + torch.zeros([100000, 100000, 100]).sum()\n");
  save_plane(folder / "talking.pt", "  print('hello from the model')\n" + linear);
  // Sample 3 of the tests, (0.8, 0.03), is the only input with x1 = 0.03.
  save_plane(
      folder / "throws_on_one.pt",
      "  assert not bool((torch.abs(x[:, 1] - 0.03) < 1e-6).any()), 'unexpected sensor value'\n" +
          linear);
  // While the file `mood` in the working folder holds 0, every answer is NaN.
  save_plane(folder / "moody.pt", "  mood = torch.from_file('mood', False, 1)\n" + logits +
                                      "  return z * (mood / mood)\n");
  const std::string bad = "  bad = torch.abs(x[:, 1:] - 0.03) < 1e-6\n";
  save_plane(folder / "nan_on_one.pt",
             logits + bad + "  return torch.where(bad, torch.full_like(z, float('nan')), z)\n");
  // torch.where hides the NaN from the output, and its gradient is NaN for every input.
  save_plane(folder / "nan_gradient.pt",
             logits + bad + "  return torch.where(bad, z * float('nan'), z)\n");
  // Rounds to 1/1000 and passes the gradient on, as quantised models are trained.
  save_plane(folder / "straight_through.pt",
             "  x = x + (torch.round(x * 1000.0) * 0.001 - x).detach()\n" + linear);
  // FGSM at 0.1 takes the 25 samples with x0 = 0.2 to 0.3, where the right model holds.
  save_plane(
      folder / "throws_under_attack.pt",
      "  assert not bool((torch.abs(x[:, 0] - 0.3) < 1e-5).any()), 'unexpected sensor value'\n" +
          linear);
  torch::jit::Module empty("Empty");
  empty.define("def other(self, x):\n  return x\n");
  empty.save((folder / "no_forward.pt").string());
}

// Files that are handed in by mistake.
void save_other_files(const fs::path& folder) {
  c10::Dict<std::string, at::Tensor> state;
  state.insert("fc.weight", at::ones({2, 2}));
  const std::vector<char> saved = torch::pickle_save(state);
  write_bytes(folder / "state_dict.pt", {saved.begin(), saved.end()});
  const auto archive = [&folder](const std::string& name, const std::string& record,
                                 const std::string& bytes) {
    caffe2::serialize::PyTorchStreamWriter writer((folder / name).string());
    writer.writeRecord(record, bytes.data(), bytes.size());
    writer.writeEndOfFile();
  };
  archive("pickled.pt", "data.pkl",
          "\x80\x02"
          "ctorch.nn.modules.linear\nLinear\nq\x01.");
  archive("exported.pt2", "models/model.json", "{}");
}

// A CNN on 8 x 8 images; `turns` repeats it for a slow model.
void save_cnn(const fs::path& path, double scale, int turns,
              const std::vector<std::pair<std::string, at::Tensor>>& weights) {
  const std::string forward =
      "def forward(self, x):\n"
      "  h = torch.relu(torch.conv2d(x, self.kernel, self.offset, [1, 1], [1, 1]))\n"
      "  for i in range(" +
      std::to_string(turns) +
      "):\n"
      "    h = torch.relu(torch.conv2d(h, self.same, None, [1, 1], [1, 1]))\n"
      "  return torch.flatten(h, 1).matmul(self.weight) * " +
      std::to_string(scale) + "\n";
  save_module(path, forward, weights);
}

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

void save_images(const fs::path& folder) {
  constexpr int64_t kImages = 256;
  constexpr int64_t kClasses = 4;
  at::Tensor same = at::zeros({4, 4, 3, 3});  // passes its input on
  for (int64_t i = 0; i < 4; ++i) same[i][i][1][1] = 1;
  const at::Tensor kernel = assay::testing::random_normal({4, 1, 3, 3}, 1).mul(0.5);
  const at::Tensor offset = assay::testing::random_normal({4}, 2).mul(0.5);
  const at::Tensor weight = assay::testing::random_normal({4 * 64, kClasses}, 3).mul(0.125);
  const at::Tensor other = weight + assay::testing::random_normal({4 * 64, kClasses}, 4).mul(0.02);
  save_cnn(folder / "cnn.pt", 1, 0,
           {{"kernel", kernel}, {"offset", offset}, {"weight", weight}, {"same", same}});
  save_cnn(folder / "other_cnn.pt", 1, 0,
           {{"kernel", kernel}, {"offset", offset}, {"weight", other}, {"same", same}});
  save_cnn(folder / "slow_cnn.pt", 1, 40,
           {{"kernel", kernel}, {"offset", offset}, {"weight", weight}, {"same", same}});
  const at::Tensor bytes = assay::testing::random_uniform({kImages, 1, 8, 8}, 5, 0, 255.99)
                               .floor()
                               .to(at::kByte);  // [n, 1, 8, 8]
  const at::Tensor h = at::conv2d(bytes.to(at::kFloat).div(255), kernel, offset, 1, 1).relu();
  const at::Tensor labels = h.flatten(1).matmul(weight).argmax(1).to(at::kByte);  // [n]
  write_bytes(folder / "images.idx",
              std::string("\0\0\x08\x03", 4) + big_endian(kImages) + big_endian(8) + big_endian(8) +
                  std::string(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                              static_cast<size_t>(bytes.numel())));
  write_bytes(folder / "labels.idx",
              std::string("\0\0\x08\x01", 4) + big_endian(kImages) +
                  std::string(reinterpret_cast<const char*>(labels.const_data_ptr<uint8_t>()),
                              static_cast<size_t>(labels.numel())));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cli_models FOLDER\n");
    return 2;
  }
  const fs::path folder = argv[1];
  fs::create_directories(folder);
  save_planes(folder);
  save_fatal_planes(folder);
  save_other_files(folder);
  save_images(folder);
  return 0;
}
