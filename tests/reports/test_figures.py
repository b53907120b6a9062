from monolayer.reports.figures import draw_curves
from monolayer.training.history import EpochRow


def test_the_caption_of_curves_says_what_a_single_evaluation_of_the_training_rows_came_to():
    history = [EpochRow(1, 0.1, val_loss=2.0), EpochRow(2, 0.1, train_loss=1.25, val_loss=1.5)]
    caption = draw_curves(history, "loss", "run").caption
    assert caption == "Loss after each epoch: training 1.2500 at the end; validation from 2.0000 to 1.5000."
