"""Makes every drawing, table and list of parts in this folder from the board profiles.

python -m hardware.make             write them
python -m hardware.make --check     say which ones are not what they would be written as
"""
