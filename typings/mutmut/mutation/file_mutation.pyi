class MutatedFile:
    mutant_names: list[str]

def mutate_file_contents(filename: str, code: str) -> MutatedFile: ...
