"""llama.cpp by its Python package: logits of rows of ids, with a LoRA beside, and its tokenizer."""
import ctypes

import llama_cpp
import numpy as np


@llama_cpp.llama_log_callback
def quiet(level, text, data):
    pass


llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
llama_cpp.llama_backend_init()


class Llama:
    def __init__(self, path, vocab_only=False):
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocab_only
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model) if self.model else None

    def logits(self, rows, lora=None):
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 64
        params.type_k = params.type_v = 0  # f32
        params.flash_attn_type = 0
        size = llama_cpp.llama_vocab_n_tokens(self.vocab)
        adapter = llama_cpp.llama_adapter_lora_init(self.model, str(lora).encode()) if lora else None
        out = []
        for row in rows:
            context = llama_cpp.llama_init_from_model(self.model, params)
            if lora:
                assert set_adapter(context, adapter) == 0
            batch = llama_cpp.llama_batch_init(len(row), 0, 1)
            batch.n_tokens = len(row)
            for i, token in enumerate(row):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
                batch.seq_id[i][0] = 0
            assert llama_cpp.llama_decode(context, batch) == 0
            out.append(np.stack([np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, i), (size,)).copy()
                                 for i in range(len(row))]))
            llama_cpp.llama_batch_free(batch)
            llama_cpp.llama_free(context)
        return out

    def tokenize(self, text):
        data = text.encode()
        ids = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), ids, len(ids), True, True)
        return list(ids[:count])


def set_adapter(context, adapter):
    """One adapter at full strength; the call has changed its name."""
    if hasattr(llama_cpp, "llama_set_adapters_lora"):
        one = (ctypes.c_void_p * 1)(adapter) if isinstance(adapter, int) else (type(adapter) * 1)(adapter)
        return llama_cpp.llama_set_adapters_lora(context, one, 1, (ctypes.c_float * 1)(1.0))
    return llama_cpp.llama_set_adapter_lora(context, adapter, 1.0)
