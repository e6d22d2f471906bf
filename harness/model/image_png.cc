#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "harness/model/image.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// libpng leaves through longjmp, which skips destructors. So the functions that call setjmp touch
// nothing but this plain struct, whose owner (below) does the cleaning up.
struct PngState {
  png_structp png;
  png_infop info;
  const uint8_t* bytes;
  size_t size;
  size_t at;
  char message[128];
  png_uint_32 width, height;
  int depth, color;
  size_t row_bytes;
  png_byte channels;
};

void on_error(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(state->message, message, sizeof(state->message) - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, size_t size) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (size > state->size - state->at) {
    state->at = state->size;
    png_error(png, "truncated");
  }
  std::memcpy(out, state->bytes + state->at, size);
  state->at += size;
}

bool read_header(PngState* state) {
  if (setjmp(png_jmpbuf(state->png)) != 0) return false;
  png_set_read_fn(state->png, state, on_read);
  png_read_info(state->png, state->info);
  png_get_IHDR(state->png, state->info, &state->width, &state->height, &state->depth, &state->color,
               nullptr, nullptr, nullptr);
  return true;
}

// Sets the output to one byte a channel without alpha; palettes to indices, 16-bit grey stays.
bool set_output(PngState* state) {
  if (setjmp(png_jmpbuf(state->png)) != 0) return false;
  const bool palette = state->color == PNG_COLOR_TYPE_PALETTE;
  if (palette) png_set_packing(state->png);
  if (state->color == PNG_COLOR_TYPE_GRAY && state->depth < 8) {
    png_set_expand_gray_1_2_4_to_8(state->png);
  }
  if (state->depth == 16 && state->color != PNG_COLOR_TYPE_GRAY) png_set_strip_16(state->png);
  if ((state->color & PNG_COLOR_MASK_ALPHA) != 0) png_set_strip_alpha(state->png);
  png_set_interlace_handling(state->png);
  png_read_update_info(state->png, state->info);
  state->row_bytes = png_get_rowbytes(state->png, state->info);
  state->channels = png_get_channels(state->png, state->info);
  return true;
}

bool read_rows(PngState* state, png_bytepp rows) {
  if (setjmp(png_jmpbuf(state->png)) != 0) return false;
  png_read_image(state->png, rows);
  png_read_end(state->png, nullptr);
  return true;
}

class PngReader {
 public:
  PngReader(std::span<const uint8_t> bytes, const std::string& name) : name_(name) {
    state_.bytes = bytes.data();
    state_.size = bytes.size();
    state_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state_, on_error, on_warning);
    ASSAY_CHECK(state_.png != nullptr, "libpng does not start");
    state_.info = png_create_info_struct(state_.png);
    if (state_.info == nullptr) png_destroy_read_struct(&state_.png, nullptr, nullptr);
    ASSAY_CHECK(state_.info != nullptr, "libpng does not start");
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&state_.png, &state_.info, nullptr); }

  PngState& state() { return state_; }
  void expect(bool done) const {
    if (done) return;
    throw Error(name_ + ": is not a readable PNG image: " + state_.message + " at byte " +
                std::to_string(state_.at) + " of " + std::to_string(state_.size));
  }

 private:
  PngState state_{};
  const std::string& name_;
};

void look_up(PngState& state, std::vector<uint8_t>* pixels, const std::string& name) {
  png_colorp palette = nullptr;
  int size = 0;
  png_get_PLTE(state.png, state.info, &palette, &size);
  std::vector<uint8_t> colors(pixels->size() * 3);
  for (size_t i = 0; i < pixels->size(); ++i) {
    const int index = (*pixels)[i];
    if (index >= size) {
      throw Error(name + ": is not a readable PNG image: palette index " + std::to_string(index) +
                  ", the palette has " + std::to_string(size) + " colours");
    }
    colors[3 * i] = palette[index].red;
    colors[3 * i + 1] = palette[index].green;
    colors[3 * i + 2] = palette[index].blue;
  }
  *pixels = std::move(colors);
}

// Pillow reads 16-bit grey as integers and its convert() clips them to 255.
void clip16(std::vector<uint8_t>* pixels) {
  for (size_t i = 0; i < pixels->size() / 2; ++i) {
    (*pixels)[i] = (*pixels)[2 * i] != 0 ? 255 : (*pixels)[2 * i + 1];
  }
  pixels->resize(pixels->size() / 2);
}

}  // namespace

Image decode_png(std::span<const uint8_t> bytes, const std::string& name) {
  PngReader reader(bytes, name);
  PngState& state = reader.state();
  reader.expect(read_header(&state));
  check_image_size(state.height, state.width, name);
  reader.expect(set_output(&state));
  Image image;
  image.height = state.height;
  image.width = state.width;
  image.pixels.resize(state.row_bytes * state.height);
  std::vector<png_bytep> rows(state.height);
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.pixels.data() + y * state.row_bytes;
  reader.expect(read_rows(&state, rows.data()));
  image.channels = state.channels;
  if (state.color == PNG_COLOR_TYPE_PALETTE) {
    look_up(state, &image.pixels, name);
    image.channels = 3;
  } else if (state.color == PNG_COLOR_TYPE_GRAY && state.depth == 16) {
    clip16(&image.pixels);
  }
  return image;
}

}  // namespace assay
