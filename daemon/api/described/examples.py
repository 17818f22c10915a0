"""What examples of several topics show: one task, its parameters and its result, and one model."""

from __future__ import annotations

ID = "3f9a1c07"
MODEL = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
UNKNOWN_TASK = f"There is no task '{ID}'."
PREVIEW_ID = "9c1f02ab77de0b12"
UPLOAD_ID = "5d0c7be91a42f386"
NO_MODEL = "There is no model seedvr9.safetensors."

PARAMS = {
    "resolution": 1080, "scale": 0.0, "long_edge": 0, "max_resolution": 0, "fit_width": 0, "fit_height": 0,
    "strength": 1.0, "softness": 0.0, "batch_size": 5,
    "temporal_overlap": 0, "prepend_frames": 0, "uniform_batch_size": False, "shots": "auto", "stitching": "latent",
    "seed": 42, "color_correction": "lab", "input_noise_scale": 0.0, "latent_noise_scale": 0.0,
    "vae_tiling": "auto", "vae_quality": "high", "blocks_to_swap": 0, "tf32": False,
    "output_format": "auto", "profile": "auto", "video_codec": "auto", "encoder": "auto", "crf": -1.0,
    "encoder_preset": "", "deinterlace": "auto", "dit_model": None, "priority": "normal",
}  # fmt: skip
CREATED, STARTED, ENDED = "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:01.000Z", "2026-01-31T12:00:26.000Z"
TASK = {
    "id": ID, "status": "processing", "progress": 50, "queue_position": 1, "created_at": CREATED,
    "started_at": STARTED, "params": PARAMS, "source": "api", "original_filename": "video.mp4",
    "media": {"kind": "video", "width": 640, "height": 360, "frames": 120},
    "stage": "restoring", "frames_done": 60, "frames_total": 120, "eta_s": 12.5,
}  # fmt: skip
RESULT = {
    "output_path": "/srv/seedvr2/outputs/video_3b_fp8_1080p_b5_clab_s42_25s.mp4",
    "output_filename": "video_3b_fp8_1080p_b5_clab_s42_25s.mp4", "output_resolution": "1920x1080", "model": MODEL,
    "frames_done": 120, "frames_total": 120, "warnings": [],
}  # fmt: skip
DONE = TASK | RESULT | {
    "status": "completed", "progress": 100, "queue_position": 0, "completed_at": ENDED, "process_time": 25.0,
    "stage": None, "eta_s": None,
}  # fmt: skip
WAITING = {key: value for key, value in TASK.items() if key != "started_at"} | {
    "status": "queued", "progress": 0, "queue_position": 2, "stage": None, "frames_done": 0, "frames_total": None,
    "eta_s": None, "params": PARAMS | {"priority": "high"},
}  # fmt: skip
SUBMITTED = {"status": "queued", "task_id": ID, "queue_position": 1, "estimated_wait_seconds": 25}
