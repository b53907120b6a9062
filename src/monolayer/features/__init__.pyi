from .hog import HOGFeatures as HOGFeatures
from .patches import PatchFeatures as PatchFeatures
from .pixels import PixelFeatures as PixelFeatures
