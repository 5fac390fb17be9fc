// The numbers that every backend is held against. They are those of the scalar definitions, which a test
// holds them to; loss, logits, ids and the steps of full finetuning in f32 are also those of transformers
// 5 and torch in f64, to 1e-5 (tests/ecosystem/selftest_numbers.py).
#include "api/measure/selftest_numbers.h"

namespace falconer {

const std::vector<SelfTestNumbers>& golden_numbers(Precision precision) {
  static const std::vector<SelfTestNumbers> f32 = {
      {"loss", {5.79486557}},
      {"last logits",
       {1.94216263, 0.431159168, -0.6130656, 0.259496719, 0.340798557, 1.12562251, -0.816709995,
        0.577763617}},
      {"sums of logits", {94.1546542, -11.2777017, 63.7699484, 19.0670325}},
      {"greedy ids", {70, 10, 10, 48, 28, 3, 38, 10, 48, 28, 3, 38}, true},
      {"lora: losses", {5.79486557, 3.38826193, 1.71777691}},
      {"lora: gradient norms", {2.38886921, 2.85690017, 1.96596434}},
      {"lora: gradients", {5.50023224, 3.99779252, -0.0592272716, -3.65431989, 2.85690017}},
      {"adapter: losses", {5.79486557, 5.77375543, 5.75206864}},
      {"adapter: gradient norms", {0.233144509, 0.235348621, 0.240255477}},
      {"adapter: gradients", {-0.0915677997, -0.0693566074, 0.162765423, 0.114097745, 0.235348621}},
      {"adapter-v2: losses", {5.79486557, 4.26650103, 3.36671025}},
      {"adapter-v2: gradient norms", {1.56152468, 1.1998344, 0.823117322}},
      {"adapter-v2: gradients", {-0.712119625, -1.80715307, 1.08002316, 0.587585711, 1.1998344}},
      {"full: losses", {5.79486557, 1.12878702, 0.353275577}},
      {"full: gradient norms", {5.74584797, 1.72580668, 0.808069856}},
      {"full: gradients", {-1.54547126, -0.426937477, 0.579369344, 0.73703403, 1.72580668}},
  };
  static const std::vector<SelfTestNumbers> bf16 = {
      {"loss", {5.79341078}},
      {"last logits",
       {1.9470185, 0.432753265, -0.605076551, 0.252049208, 0.342873454, 1.12495577, -0.821866751,
        0.577811062}},
      {"sums of logits", {93.5572058, -11.0916696, 63.4768046, 18.8959712}},
      {"greedy ids", {70, 10, 10, 48, 28, 3, 38, 10, 48, 28, 3, 38}, true},
      {"lora: losses", {5.79341078, 3.38289303, 1.71879961}},
      {"lora: gradient norms", {2.38931083, 2.84652419, 1.96580426}},
      {"lora: gradients", {5.44695825, 4.0098373, -0.0732668745, -3.64446464, 2.84652419}},
      {"adapter: losses", {5.79341078, 5.77217714, 5.75105826}},
      {"adapter: gradient norms", {0.232383652, 0.234096304, 0.23953113}},
      {"adapter: gradients", {-0.091047205, -0.0690172091, 0.160694249, 0.111317359, 0.234096304}},
      {"adapter-v2: losses", {5.79341078, 4.26435214, 3.36664291}},
      {"adapter-v2: gradient norms", {1.56152471, 1.19826757, 0.823392233}},
      {"adapter-v2: gradients", {-0.7338097, -1.78716006, 1.08218959, 0.580567759, 1.19826757}},
      {"full: losses", {5.79341078, 1.13015749, 0.353099664}},
      {"full: gradient norms", {5.74663154, 1.72877397, 0.807111985}},
      {"full: gradients", {-1.55267619, -0.412373976, 0.593187911, 0.701264395, 1.72877397}},
  };
  return precision == Precision::kF32 ? f32 : bf16;
}

}  // namespace falconer
