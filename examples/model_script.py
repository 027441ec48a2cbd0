"""Train on a folder of photos: set the constants, then `python model_script.py`."""

from onar import TrainConfig, train

BASE_DATASET_DIR = "./data"  # your photos, in any subfolders
RESULTS_DIR = "./inpainting_results"

BATCH_SIZE = 16  # fit to the GPU's memory
NUM_WORKERS = 4  # CPU cores that decode photos
EPOCHS = 8
IMG_SIZE = (512, 512)

LEARNING_RATE_G = 1e-4
LEARNING_RATE_D = 1e-4

LAMBDA_PIXEL = 1.0
LAMBDA_CONTENT = 1.0
LAMBDA_ADV = 0.01

mask_type = "irregular"  # or "rectangle"
max_masks = 3
max_size_ratio = 0.3
max_thickness = 20

accumulation_steps = 1  # out of memory? 4 here and BATCH_SIZE // 4 above

if __name__ == "__main__":
    train(
        TrainConfig(
            data=BASE_DATASET_DIR,
            results_dir=RESULTS_DIR,
            batch_size=BATCH_SIZE,
            num_workers=NUM_WORKERS,
            epochs=EPOCHS,
            img_size=IMG_SIZE,
            learning_rate_g=LEARNING_RATE_G,
            learning_rate_d=LEARNING_RATE_D,
            lambda_pixel=LAMBDA_PIXEL,
            lambda_content=LAMBDA_CONTENT,
            lambda_adv=LAMBDA_ADV,
            mask_type=mask_type,
            max_masks=max_masks,
            max_size_ratio=max_size_ratio,
            max_thickness=max_thickness,
            accumulation_steps=accumulation_steps,
        )
    )
